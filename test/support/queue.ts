import assert from "node:assert/strict";
import type { Database } from "../../src/db/connection/connect.ts";
import type { Claim } from "../../src/queue/image-jobs.ts";
import { openQueue, type Queue } from "../../src/queue/queue.ts";
import { createComeImages } from "../../src/worker/settle/come-images.ts";
import { createSettler, type Settler } from "../../src/worker/settle/settler.ts";
import { onCleanup } from "./cleanup.ts";
import { openTestDatabase } from "./database.ts";

/** A database of the caller's own with its queue, which nobody works unless the test does. */
export async function openTestQueue(): Promise<{ db: Database; queue: Queue }> {
  const db = await openTestDatabase();
  const queue = await openQueue({ executor: db.executor, supervise: false, onError: assert.fail });
  onCleanup(() => queue.stop());
  return { db, queue };
}

/**
 * A settler that fails its test where anything goes wrong, and where outputs are to be removed or a batch or a share is to be paused,
 * unless the test says what happens then.
 */
export function createTestSettler(
  { db, queue }: { db: Pick<Database, "keyedTransaction">; queue: Queue },
  given: Partial<Parameters<typeof createSettler>[0]> = {},
): Settler {
  return createSettler({
    removeOutputs: () => assert.fail(),
    transaction: db.keyedTransaction,
    queue,
    flushOutcomes: async (items) => items,
    pause: () => assert.fail(),
    countShares: () => assert.fail(),
    come: createComeImages(),
    onError: assert.fail,
    ...given,
  });
}

/** Claims exactly as many images as are asked for: the rest of the last job is kept for the next call. */
export function claimsByImage({ db, queue }: { db: Database; queue: Queue }): (count: number) => Promise<Claim[]> {
  let kept: Claim[] = [];
  return (count) =>
    db.keyedTransaction(async (tx) => {
      const { alive, locked } = await queue.touch(tx, kept);
      kept = kept.filter(({ id }) => alive.has(id) || locked.has(id));
      for (let isDrained = false; kept.length < count && !isDrained;) {
        const page = await queue.claimImages(tx, count - kept.length);
        kept.push(...page.claims);
        ({ isDrained } = page);
      }
      return kept.splice(0, count);
    });
}
