import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir, unlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { readConfig } from "../../src/config.ts";
import { connectDatabase, type Database } from "../../src/db/connection/connect.ts";
import { findLoadedBatch } from "../../src/db/load-lock.ts";
import { DEFAULT_TENANT_ID } from "../../src/domain/ids.ts";
import { PRESETS } from "../../src/domain/image/recipe.ts";
import { acceptUpload, type IntakeDeps } from "../../src/intake/accept-upload.ts";
import { loadBatch } from "../../src/intake/load-batch.ts";
import { loadInThread } from "../../src/intake/load-in-thread.ts";
import { sweepUploads } from "../../src/intake/sweep-uploads.ts";
import type { Upload } from "../../src/intake/upload.ts";
import type { Queue } from "../../src/queue/queue.ts";
import { createStorage, type Storage } from "../../src/storage/storage.ts";
import { wireIntake } from "../../src/wire/intake.ts";
import { onCleanup } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { intakeInto } from "../support/intake.ts";
import { startLatePooler } from "../support/late-pooler.ts";
import { DEFAULT_READING } from "../support/csv.ts";
import { openTestQueue } from "../support/queue.ts";

const WAITING_FOR_LOAD = `select from pg_locks where locktype = 'advisory' and not granted
  and database = (select oid from pg_database where datname = current_database())`;

describe("accepting an upload", () => {
  let db: Database;
  let queue: Queue;
  let dataDir: string;
  let storage: Storage;
  let deps: IntakeDeps;

  before(async () => {
    ({ db, queue } = await openTestQueue());
    dataDir = await createTestFolder();
    storage = await createStorage({ dataDir });
    deps = intakeInto({ db, queue, storage });
  });
  const receive = async (): Promise<Upload> => {
    const path = storage.tempPath("csv");
    await writeFile(path, "S. No,Product Name,Input Image Urls\n1,Mug,https://shop.test/a.jpg\n");
    return {
      spool: { path, bytes: 1 },
      fileName: null,
      options: { recipe: PRESETS.seed, refresh: "auto", metadata: {}, reading: DEFAULT_READING },
      idempotencyKey: null,
    };
  };
  const accept = async (overrides: Partial<IntakeDeps>) => acceptUpload({ ...deps, ...overrides }, await receive());
  /** On a connection of the pool, and on a thread's own. */
  const loadsBy = (url: string): IntakeDeps["load"][] => {
    const through = connectDatabase({ url, poolMax: 1, onError: () => {} });
    onCleanup(() => through.close());
    return [
      (order) => loadBatch({ queue, transaction: through.keyedTransaction }, order),
      (order) => loadInThread({ databaseUrl: url, order }),
    ];
  };
  const sweep = (overrides: Partial<Parameters<typeof sweepUploads>[0]> = {}) =>
    sweepUploads({ executor: db.executor, storage, warn: () => assert.fail(), signal: new AbortController().signal, ...overrides });
  const uploads = () => readdir(join(dataDir, "uploads", "inputCsvFiles"));

  test("whose commit was made and whose answer was lost is an acceptance", async () => {
    const result = await accept({
      async load(order) {
        await deps.load(order);
        throw new Error("Connection terminated unexpectedly");
      },
    });
    assert.ok(result.ok);
    assert.deepEqual([result.batch.products, result.batch.imagesTotal], [1, 1]);
    assert.ok((await uploads()).includes(result.batch.batchId), "the batch's file is there");
  });

  test("whose commit is still on its way when its connection is lost is an acceptance once that has come", async () => {
    const pooler = await startLatePooler(db.url);
    for (const load of loadsBy(pooler.url)) {
      const accepting = accept({ load });
      const isAwaited = async () => (await db.executor.executeSql(WAITING_FOR_LOAD)).rows.length > 0;
      await Promise.race([accepting, eventually("the load to be waited for", isAwaited)]);
      pooler.commit();
      const result = await accepting;
      assert.ok(result.ok);
      assert.deepEqual(result.batch, await deps.findLoadedBatch(result.batch.batchId));
      assert.ok((await uploads()).includes(result.batch.batchId), "the batch's file is there");
    }
  });

  test("whose commit does not come in time keeps its file, for the batch that it may still be", async () => {
    const pooler = await startLatePooler(db.url);
    for (const load of loadsBy(pooler.url)) {
      const before = await uploads();
      const findSoon = (batchId: string) => db.transaction((tx) => findLoadedBatch(tx, DEFAULT_TENANT_ID, batchId, 50));
      await assert.rejects(accept({ load, findLoadedBatch: findSoon }), /Connection terminated|ECONNRESET/);
      const left = (await uploads()).filter((name) => !before.includes(name));
      assert.equal(left.length, 1, "the file stays");
      const [batchId = ""] = left;
      const found = deps.findLoadedBatch(batchId);
      pooler.commit();
      assert.equal((await found)?.batchId, batchId);
    }
  });

  test("says all of the batch, wherever it was loaded, and asks for nothing once it is stored", async () => {
    const findNone = () => Promise.reject(new Error("the database is away"));
    const inThread: IntakeDeps["load"] = (order) => loadInThread({ databaseUrl: db.url, order });
    for (const load of [deps.load, inThread]) {
      const result = await accept({ load, findLoadedBatch: findNone });
      assert.ok(result.ok);
      assert.deepEqual(result.batch, await deps.findLoadedBatch(result.batch.batchId));
    }
  });

  test("that failed leaves no file, unless nobody can say whether it did", async () => {
    const before = await uploads();
    const load = async () => Promise.reject(new Error("the database is away"));
    await assert.rejects(accept({ load }), /away/);
    assert.deepEqual(await uploads(), before);
    await assert.rejects(accept({ load, findLoadedBatch: async () => Promise.reject(new Error("still away")) }), /database is away/);
    assert.equal((await uploads()).length, before.length + 1);
  });

  test("whose file cannot be read any more leaves none", async () => {
    const before = await uploads();
    const unreadable: Storage = {
      ...storage,
      async keepCsv(tempPath, batchId) {
        const { path } = await storage.keepCsv(tempPath, batchId);
        // Stands for EMFILE or EIO, which nobody can order.
        await unlink(path);
        await mkdir(path);
        return { path };
      },
    };
    const intake = wireIntake({ config: readConfig({}), db, queue, storage: unreadable, headerSeal: null });
    await assert.rejects(intake.acceptUpload(await receive()), { code: "EISDIR" });
    assert.deepEqual(await uploads(), before);
  });

  test("whose file cannot be kept leaves no folder, and tells why", async () => {
    const before = await uploads();
    const keepCsv: Storage["keepCsv"] = async (path, batchId) => {
      await unlink(path);
      return storage.keepCsv(path, batchId);
    };
    await assert.rejects(accept({ storage: { ...storage, keepCsv } }), { code: "ENOENT", syscall: "rename" });
    assert.deepEqual(await uploads(), before);
    const away = (why: string) => () => Promise.reject(new Error(why));
    await assert.rejects(accept({ storage: { keepCsv: away("first"), removeBatch: away("second") } }), /first/);
  });

  test("what a dead process left of uploads is swept when it is old, and never a batch's own", async () => {
    const kept = await accept({});
    assert.ok(kept.ok);
    const all = await uploads();
    assert.deepEqual(await sweep(), [], "nothing is old yet");
    for (const name of all) await utimes(join(dataDir, "uploads", "inputCsvFiles", name), 0, 0);
    // A batch of another database, with work that was done for it.
    const foreign = kept.batch.batchId.replace(/.{6}$/, "abcdef");
    const csv = storage.tempPath();
    await writeFile(csv, "x");
    await storage.keepCsv(csv, foreign);
    const output = storage.tempPath();
    await writeFile(output, "x");
    await storage.keepOutput(output, { batchId: foreign, ordinal: 0, fileName: "1-1.jpg" });
    await utimes(join(dataDir, "uploads", "inputCsvFiles", foreign), 0, 0);
    const gone = await sweep();
    assert.ok(await storage.findOutput({ batchId: foreign, ordinal: 0, fileName: "1-1.jpg" }));
    assert.equal(gone.length, 1);
    assert.ok(existsSync(join(dataDir, "uploads", "inputCsvFiles", kept.batch.batchId, "upload.csv")));
    assert.deepEqual((await uploads()).length, all.length);
  });

  test("a left-over upload that cannot be removed does not keep the others, and is said once", async () => {
    const ids = ["a", "b", "c", "d"].map((last) => `019abc12-3456-7def-8123-456789abcde${last}`);
    const said: unknown[] = [];
    const warn = (error: unknown) => void said.push(error);
    const refused = [new Error("EACCES b"), new Error("EACCES c")];
    const stubborn = (list: () => AsyncIterable<string[]>) => ({
      listUploads: list,
      async removeUpload(batchId: string) {
        const error = refused[ids.indexOf(batchId) - 1];
        if (error) throw error;
      },
    });
    async function* inPages() {
      yield ids.slice(0, 2);
      yield [];
      yield ids.slice(2);
    }
    assert.deepEqual(await sweep({ storage: stubborn(inPages), warn }), [ids[0], ids[3]]);
    assert.deepEqual(said.splice(0), [refused[0]]);

    const away = new Error("EIO");
    async function* hanging() {
      yield ids.slice(0, 1);
      throw away;
    }
    assert.deepEqual(await sweep({ storage: stubborn(hanging), warn }), [ids[0]]);
    assert.deepEqual(said.splice(0), [away], "nor does a disk that is away");
  });

  test("a sweep of uploads ends at the page in which the stop begins", async () => {
    const stopping = new AbortController();
    const id = "019abc12-3456-7def-8123-456789abcdef";
    async function* endless() {
      for (let pages = 0; ; pages += 1) {
        if (pages === 2) stopping.abort();
        yield pages < 3 ? [id] : assert.fail("it went on");
      }
    }
    const storage = { listUploads: endless, removeUpload: async () => {} };
    assert.deepEqual(await sweep({ storage, signal: stopping.signal }), [id, id]);
  });
});
