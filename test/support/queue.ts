import assert from "node:assert/strict";
import type { Database } from "../../src/db/connect.ts";
import { openQueue, type Queue } from "../../src/queue/queue.ts";
import { onCleanup } from "./cleanup.ts";
import { openTestDatabase } from "./database.ts";

/** A database of the caller's own with its queue, which nobody works unless the test does. */
export async function openTestQueue(): Promise<{ db: Database; queue: Queue }> {
  const db = await openTestDatabase();
  const queue = await openQueue({ executor: db.executor, supervise: false, onError: assert.fail });
  onCleanup(() => queue.stop());
  return { db, queue };
}
