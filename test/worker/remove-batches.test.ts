import assert from "node:assert/strict";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, beforeEach, describe, test } from "node:test";
import pg from "pg";
import { impatient } from "../../src/db/connection/lock-wait.ts";
import { deleteImages, findRemovedBatch } from "../../src/db/remove-batches.ts";
import type { Database } from "../../src/db/connection/connect.ts";
import type { ClaimedImage } from "../../src/db/claimed-images.ts";
import { findKnownSources } from "../../src/db/known-sources.ts";
import { recordPages } from "../../src/db/list-products.ts";
import { listOutputs } from "../../src/db/outputs.ts";
import type { Recipe } from "../../src/domain/image/recipe.ts";
import { createSourceKey } from "../../src/domain/image/source-key.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { removeBatches } from "../../src/queue/remove-batches.ts";
import { createStorage, type Storage } from "../../src/storage/storage.ts";
import { beginRemovals, removeBatch } from "../../src/worker/remove-batches.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestFolder } from "../support/folder.ts";
import { loadCatalogue, someEndpoint } from "../support/load-catalogue.ts";
import { openJobs } from "../support/outcomes.ts";
import { openTestQueue } from "../support/queue.ts";
import { rowsOfBatch } from "../support/rows-of-batch.ts";

const all = async <T>(given: AsyncIterable<T>) => {
  const found: T[] = [];
  for await (const one of given) found.push(one);
  return found;
};
const NO_STOP = new AbortController().signal;

describe("the removal of batches", () => {
  let db: Database;
  let queue: Queue;
  let client: pg.Client;
  let dataDir: string;
  let storage: Storage;
  before(async () => {
    ({ db, queue } = await openTestQueue());
    client = new pg.Client({ connectionString: db.url });
    await client.connect();
    onCleanup(() => client.end());
  });
  beforeEach(async () => {
    dataDir = await createTestFolder();
    storage = await createStorage({ dataDir });
    await client.query("delete from batch; delete from removed_batch; delete from pgboss.job");
  });

  const execute = (text: string, values: unknown[] = []) => client.query<Record<string, unknown>>(text, values);
  const load = (images: number, more = {}) =>
    loadCatalogue(
      { db, queue },
      Array.from({ length: images }, (_, index) => [`https://shop.test/${index}.jpg`]),
      more,
    );
  /** As if it had ended so long ago. */
  const end = async (batchId: string, age = "0 seconds") =>
    execute(
      "update batch set status = 'completed', created_at = now() - $2::interval, finished_at = now() - $2::interval where batch_id = $1",
      [batchId, age],
    );
  const remove = (...batchIds: string[]) => db.transaction((tx) => removeBatches(tx, { queue }, batchIds));
  const work = (batchId: string, signal = NO_STOP) => removeBatch({ db, storage }, { batchId }, signal);
  const begin = (days: number) => beginRemovals({ transaction: db.transaction, queue }, days);
  const hasJob = async (batchId: string) => (await openJobs(db, batchId, "remove")).length;
  /** A file of each of three thousand images, as they lie. */
  const putFiles = async (batchId: string) => {
    for (const shard of ["00000", "00001", "00002"]) {
      const folder = join(dataDir, "uploads", "outputImages", batchId, shard);
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, "p-1.jpg"), "");
    }
  };

  test("goes on where it was broken off, and a second run finds nothing", async () => {
    const batchId = await load(200);
    // More than one page of them.
    await execute(
      "insert into image (batch_id, ordinal, line, position, stem, url, host, state) select $1, n, 1, 1, 's', 'https://shop.test/' || n, 'shop.test', 'done' from generate_series(1000, 12000) n",
      [batchId],
    );
    await putFiles(batchId);
    await end(batchId);
    assert.deepEqual(await remove(batchId, batchId), [batchId]);
    assert.deepEqual(await remove(batchId), []);

    let pages = 0;
    const stop = new AbortController();
    const transaction: Database["transaction"] = (run) => {
      pages += 1;
      if (pages === 2) stop.abort();
      return db.transaction(run);
    };
    await assert.rejects(removeBatch({ db: { ...db, transaction }, storage }, { batchId }, stop.signal), { name: "AbortError" });
    const left = await rowsOfBatch(client, batchId);
    assert.deepEqual(
      left.map(({ table }) => table),
      ["image", "product", "removed_batch"],
    );
    await work(batchId);
    assert.deepEqual(await rowsOfBatch(client, batchId), []);
    await work(batchId);
  });

  for (const [links, query, later] of [
    ["", "", ""],
    [", under no later signature", "?Expires=1&Signature=a&Key-Pair-Id=k", "?Expires=2&Signature=b&Key-Pair-Id=k"],
  ] as const)
    test(`is of what nobody may link any more${links}, from the start, though its rows and files are still there`, async () => {
      const batchId = await load(1);
      const { rows } = await execute("select tenant_id, recipe from batch");
      const { tenant_id: tenantId, recipe } = rows[0] as { tenant_id: string; recipe: Recipe };
      const url = `https://shop.test/0.jpg${query}`;
      await execute("update image set state = 'done', url = $1", [url]);
      await execute(
        "insert into output (batch_id, ordinal, file_name, format, width, height, bytes) values ($1, 0, '1-1.jpg', 'jpeg', 1, 1, 1)",
        [batchId],
      );
      await execute("insert into known_source (tenant_id, key, batch_id, ordinal) values ($1, $2, $3, 0)", [
        tenantId,
        createSourceKey(recipe)(url),
        batchId,
      ]);
      const image = {
        url: `https://shop.test/0.jpg${later}`,
        attempts: 0,
        batch: { tenantId, recipe, refresh: "auto", sourceMark: null },
      } as unknown as ClaimedImage;
      const known = async () => (await db.transaction((tx) => findKnownSources(tx, [image])))[0]?.known?.batchId;
      assert.equal(await known(), batchId);
      await end(batchId);
      await remove(batchId);
      assert.equal(await known(), undefined);
      await work(batchId);
      assert.deepEqual(await rowsOfBatch(client, batchId), []);
    });

  test("breaks off between two folders of files, and leaves what it has not come to", async () => {
    const batchId = await load(1);
    await putFiles(batchId);
    await end(batchId);
    await remove(batchId);
    await assert.rejects(work(batchId, AbortSignal.abort()), { name: "AbortError" });
    const { value } = await storage.listOutputNames(batchId).next();
    assert.deepEqual(value?.fileNames, ["p-1.jpg"]);
    await work(batchId);
    assert.equal((await storage.listOutputNames(batchId).next()).done, true);
  });

  test("forgets nothing while the folder of files is away", async () => {
    const batchId = await load(3);
    await putFiles(batchId);
    await end(batchId);
    await remove(batchId);
    await rename(join(dataDir, "uploads"), join(dataDir, "elsewhere"));
    await assert.rejects(work(batchId), { code: "ENOENT" });
    assert.notDeepEqual(await rowsOfBatch(client, batchId), []);
    await rename(join(dataDir, "elsewhere"), join(dataDir, "uploads"));
    await work(batchId);
    assert.deepEqual(await rowsOfBatch(client, batchId), []);
  });

  test("of a batch that is being read breaks the reading off, wherever it has come to", async () => {
    const batchId = await load(1_200);
    await end(batchId);
    const [early, late] = [recordPages(db.executor, batchId), recordPages(db.executor, batchId)];
    await late.next();
    await remove(batchId);
    await assert.rejects(early.next(), /was removed/);
    await work(batchId);
    await assert.rejects(late.next(), /was removed/);
    await assert.rejects(recordPages(db.executor, batchId).next(), /was removed/);
  });

  test("begins by itself for those that ended long ago, and have nothing left to deliver", async () => {
    const [old, young, running, undelivered] = [await load(1), await load(1), await load(1), await load(1, { endpoint: someEndpoint() })];
    for (const batchId of [old, undelivered]) await end(batchId, "31 days");
    await end(young, "29 days");
    await execute("update batch set created_at = now() - interval '31 days' where batch_id = $1", [running]);
    await execute(
      "insert into event (event_id, batch_id, run, type, sequence, body) values (gen_random_uuid(), $1, 1, 'batch.completed', 1, '{}')",
      [undelivered],
    );
    await execute("insert into delivery (event_id, endpoint_id) select event_id, endpoint_id from event join endpoint using (batch_id)");

    assert.deepEqual(await begin(0), { expired: 0, lost: 0 });
    assert.deepEqual(await begin(30), { expired: 1, lost: 0 });
    assert.deepEqual(await begin(30), { expired: 0, lost: 0 });
    const { rows } = await execute(`select batch_id::text as "batchId" from batch`);
    assert.deepEqual(new Set(rows.map(({ batchId }) => batchId)), new Set([young, running, undelivered]));
    assert.deepEqual([await hasJob(old), await hasJob(young)], [1, 0]);

    await execute("update delivery set state = 'failed', settled_at = now()");
    assert.deepEqual(await begin(30), { expired: 1, lost: 0 });
    await work(undelivered);
    assert.deepEqual(await rowsOfBatch(client, undelivered), []);
  });

  test("begins for others where somebody has one locked, and looks for what belongs to a batch by indexes", async () => {
    const [locked, other] = [await load(1), await load(1)];
    for (const batchId of [locked, other]) await end(batchId, "31 days");
    await execute("begin");
    await execute("select from batch where batch_id = $1 for update", [locked]);
    assert.deepEqual(await begin(30), { expired: 1, lost: 0 });
    await execute("rollback");
    assert.deepEqual(await begin(30), { expired: 1, lost: 0 });

    const { rows } = await execute(`
      select conrelid::regclass || ' ' || conkey::text as "key" from pg_constraint c
      where contype = 'f' and connamespace = 'public'::regnamespace and confrelid <> 'tenant'::regclass and not exists (
        select 1 from pg_index i where i.indrelid = c.conrelid and i.indpred is null
          and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] = c.conkey)`);
    assert.deepEqual(rows, [], "foreign keys whose table is read whole for each row that is deleted");
  });

  test("begins one by one where rows that belong to one are locked, and whatever becomes of others", async () => {
    const [locked, other, lost] = [await load(1, { endpoint: someEndpoint() }), await load(1), await load(1)];
    for (const batchId of [locked, other]) await end(batchId, "31 days");
    await end(lost);
    await remove(lost);
    await execute("delete from pgboss.job where name = 'remove'");
    await execute("update removed_batch set removed_at = now() - interval '2 minutes'");
    await execute(
      "insert into event (event_id, batch_id, run, type, sequence, body) values (gen_random_uuid(), $1, 1, 'batch.completed', 1, '{}')",
      [locked],
    );
    await execute(
      "insert into delivery (event_id, endpoint_id, state) select event_id, endpoint_id, 'delivered' from event join endpoint using (batch_id)",
    );
    await execute("begin");
    await execute("select from delivery for update");
    const impatiently = { transaction: impatient(db.transaction), queue };
    assert.deepEqual(await beginRemovals(impatiently, 30), { expired: 1, lost: 1 });
    await execute("rollback");
    assert.deepEqual(await beginRemovals(impatiently, 30), { expired: 1, lost: 0 });
  });

  test("passes over no row that it has deleted, however long somebody keeps a snapshot", async () => {
    const batchId = await load(1);
    await execute(
      "insert into image (batch_id, ordinal, line, position, stem, url, host) select $1, n, n, 1, 's', 'https://shop.test/' || n, 'shop.test' from generate_series(10, 12000) n",
      [batchId],
    );
    await end(batchId);
    await remove(batchId);
    const batch = await findRemovedBatch(db.executor, batchId);
    assert.ok(batch);
    const deletePage = (after: number) => db.transaction((tx) => deleteImages(tx, batch, after));
    const pages = [await deletePage(-1), await deletePage(4_999 + 9), await deletePage(12_000)];
    assert.deepEqual(pages, [5_008, 10_008, null]);
    await work(batchId);
    assert.deepEqual(await rowsOfBatch(client, batchId), []);
  });

  test("breaks off the list of its outputs, too", async () => {
    const batchId = await load(1);
    await execute(
      "insert into output (batch_id, ordinal, file_name, format, width, height, bytes) select $1, n, n || '-1.jpg', 'jpeg', 1, 1, 1 from generate_series(1, 1500) n",
      [batchId],
    );
    await end(batchId);
    const names = async () => (await all(listOutputs(db.executor, batchId))).length;
    assert.equal(await names(), 1_500);
    const listing = listOutputs(db.executor, batchId);
    await listing.next();
    await remove(batchId);
    await assert.rejects(all(listing), /was removed/);
    await work(batchId);
    await assert.rejects(names(), /was removed/, "an archive of nothing would be a whole one");
  });

  test("has its job sent again where somebody removed that", async () => {
    const batchId = await load(1);
    await end(batchId);
    await remove(batchId);
    await execute("delete from pgboss.job");
    assert.deepEqual(await begin(0), { expired: 0, lost: 0 }, "what changed a moment ago may be on its way");
    await execute("update removed_batch set removed_at = now() - interval '2 minutes'");
    assert.deepEqual(await begin(0), { expired: 0, lost: 1 });
    assert.equal(await hasJob(batchId), 1);
    assert.deepEqual(await begin(0), { expired: 0, lost: 0 });
  });
});
