import { parentPort, workerData } from "node:worker_threads";
import { withOwnConnection } from "../db/own-connection.ts";
import { openSender } from "../queue/queue.ts";
import { loadBatch, type BatchOrder } from "./load-batch.ts";
import type { ThreadReply } from "./load-in-thread.ts";

const { databaseUrl, order }: { databaseUrl: string; order: BatchOrder } = workerData;

async function load(): Promise<ThreadReply> {
  try {
    const loaded = await withOwnConnection(databaseUrl, (transaction, executor) => loadBatch({ queue: openSender(executor), transaction }, order));
    return { ok: true, loaded };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : null;
    return { ok: false, message: error instanceof Error ? error.message : String(error), code };
  }
}

parentPort?.postMessage(await load());
