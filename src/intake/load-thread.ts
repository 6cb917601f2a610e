import { withOwnConnection } from "../db/connection/own-connection.ts";
import { openSender } from "../queue/queue.ts";
import { loadBatch } from "./load-batch.ts";
import type { LoadTask } from "./load-in-thread.ts";
import { answerFromThread } from "./run-in-thread.ts";

answerFromThread(({ databaseUrl, order }: LoadTask) =>
  withOwnConnection(databaseUrl, (transaction, executor) => loadBatch({ queue: openSender(executor), transaction }, order)),
);
