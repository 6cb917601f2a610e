import assert from "node:assert/strict";
import { randomUUIDv7 } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { CATALOGUE_LIMITS } from "../../src/csv/limits.ts";
import type { Database } from "../../src/db/connect.ts";
import { TAG_IMAGES } from "../../src/domain/fair-tag.ts";
import { SEED_RECIPE } from "../../src/domain/recipe.ts";
import { DEFAULT_READING, loadBatch } from "../../src/intake/load-batch.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { planBatch } from "../../src/worker/plan-batch.ts";
import { createTestFolder } from "../support/folder.ts";
import { openTestQueue } from "../support/queue.ts";

describe("between batches", () => {
  let db: Database;
  let queue: Queue;
  let folder: string;
  before(async () => {
    ({ db, queue } = await openTestQueue());
    folder = await createTestFolder();
  });

  const load = async (images: number) => {
    const batchId = randomUUIDv7();
    const path = join(folder, `${batchId}.csv`);
    await writeFile(path, ["id,photo", ...Array.from({ length: images }, (_, index) => `${index},https://shop.test/${batchId}/${index}.jpg`), ""].join("\n"));
    const loaded = await loadBatch({ queue, transaction: db.keyedTransaction }, {
      batchId, token: batchId.slice(0, 22), csv: { path, bytes: 1, fileName: null }, recipe: SEED_RECIPE, refresh: "auto", metadata: {}, reading: DEFAULT_READING, now: Date.now(), limits: CATALOGUE_LIMITS, endpoint: null,
    });
    assert.ok(loaded.ok);
    await planBatch({ transaction: db.keyedTransaction, queue }, batchId, new AbortController().signal);
    return batchId;
  };
  /** Whose images would be claimed next. */
  const claim = async (count: number) => (await db.keyedTransaction((tx) => queue.claimImages(tx, count))).map(({ data }) => data.batchId);

  test("a small one waits for no more than a few images of a large one, and many small ones leave it its share", async () => {
    const large = await load(1_500);
    assert.equal(new Set(await claim(45)).size, 1);
    const small = await load(10);
    const next = await claim(3 * TAG_IMAGES);
    assert.equal(next.filter((batchId) => batchId === small).length, 10, "done within three tags");
    for (let index = 0; index < 40; index += 1) await load(10);
    const share = (await claim(400)).filter((batchId) => batchId === large).length / 400;
    assert.ok(share > 0.4 && share < 0.6, `the large one got ${share} of what was served`);
  });
});
