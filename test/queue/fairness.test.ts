import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Database } from "../../src/db/connection/connect.ts";
import { TAG_IMAGES } from "../../src/domain/load/fair-tag.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { planBatch } from "../../src/worker/plan-batch.ts";
import { loadCatalogue } from "../support/load-catalogue.ts";
import { openTestQueue } from "../support/queue.ts";

describe("between batches", () => {
  let db: Database;
  let queue: Queue;
  before(async () => {
    ({ db, queue } = await openTestQueue());
  });

  const load = async (images: number) => {
    const batchId = await loadCatalogue(
      { db, queue },
      Array.from({ length: images }, (_, index) => [`https://shop.test/${index}.jpg`]),
    );
    await planBatch({ transaction: db.keyedTransaction, queue }, batchId, new AbortController().signal);
    return batchId;
  };
  /** Whose images would be claimed next. */
  const claim = async (count: number) =>
    (await db.keyedTransaction((tx) => queue.claimImages(tx, count))).claims.map(({ data }) => data.batchId);

  test("a small one waits for no more than the rest of a large one's tag, and many small ones leave it its share", async () => {
    const large = await load(1_500);
    assert.equal(new Set(await claim(45)).size, 1);
    const small = await load(10);
    const next = await claim(2 * TAG_IMAGES);
    assert.equal(next.filter((batchId) => batchId === small).length, 10, "behind no more than the rest of one tag");
    for (let index = 0; index < 40; index += 1) await load(10);
    const share = (await claim(400)).filter((batchId) => batchId === large).length / 400;
    assert.ok(share > 0.4 && share < 0.6, `the large one got ${share} of what was served`);
  });
});
