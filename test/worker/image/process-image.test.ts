import assert from "node:assert/strict";
import { randomUUIDv7 } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, test } from "node:test";
import type { KnownSource } from "../../../src/db/known-sources.ts";
import { PRESETS } from "../../../src/domain/image/recipe.ts";
import { failed, succeeded } from "../../../src/domain/image/stage-result.ts";
import { createStorage, type Storage } from "../../../src/storage/storage.ts";
import { LostClaim, Stopping } from "../../../src/worker/claim/images-in-hand.ts";
import { processImage } from "../../../src/worker/image/process-image.ts";
import type { ImageWork, Stages } from "../../../src/worker/image/stages.ts";
import { createTestFolder } from "../../support/folder.ts";

const FETCHED = {
  bytes: 5,
  isEndTold: true,
  sha256: "00",
  finalUrl: "https://shop.test/",
  status: 200,
  contentType: null,
  etag: '"v1"',
  lastModified: null,
};
const SOURCE = { ...FETCHED, httpStatus: 200, sourceType: "image/jpeg", sourceBytes: 5, sourceWidth: 2, sourceHeight: 1 };
const SIZE = { width: 2, height: 1 };
const MADE = { ...SIZE, format: "jpeg", bytes: 7, quality: 50, isKept: false } as const;

const SETTLED = [
  ["outputImages", "7-1-large.jpg"],
  ["outputImages", "7-1-thumb.jpg"],
  ["inputImages", "0.jpg"],
] as const;

/** The claim is ours until the work is called off. */
const holdOf = ({ signal }: AbortController) => ({ signal, confirm: async () => signal.throwIfAborted() });

describe("an attempt at an image", () => {
  let dataDir: string;
  let storage: Storage;
  let work: ImageWork;
  beforeEach(async () => {
    dataDir = await createTestFolder();
    storage = await createStorage({ dataDir });
    const recipe = { ...PRESETS.seed, outputs: [{ name: "large" }, { name: "thumb" }] };
    work = {
      batchId: randomUUIDv7(),
      ordinal: 0,
      url: "https://shop.test/1.jpg",
      stem: "7-1",
      recipe,
      isOfSmallBatch: false,
      known: null,
    };
  });

  /** The storage is the real one; what comes from the origin and from the encoder is not. */
  const stagesOf = (changed: Partial<Stages> = {}): Stages => ({
    ...storage,
    onFetched: () => {},
    async download({ path }) {
      await writeFile(path, "input");
      return succeeded({ ...FETCHED, path, head: Buffer.from("input") });
    },
    inspect: async () => succeeded({ ...SIZE, format: "jpeg", mediaType: "image/jpeg", extension: "jpg" }),
    async encode({ outputs }) {
      for (const { name, path } of outputs) await writeFile(path, `our ${name}`);
      return succeeded({ encodeMs: 1, outputs: outputs.map(({ name, path }) => ({ ...MADE, name, path, encodeMs: 1 })) });
    },
    ...changed,
  });
  const folderOf = (kind: string, { batchId }: { batchId: string } = work) => join(dataDir, "uploads", kind, batchId, "00000");
  /** Where a folder stands no file can be put. */
  const block = (kind: string, name: string) => mkdir(join(folderOf(kind), name), { recursive: true });
  const filesIn = async (folder: string) => {
    const entries = existsSync(folder) ? await readdir(folder, { recursive: true, withFileTypes: true }) : [];
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  };
  /** How it ended, and which outputs it says are at their places: those that are there. No temporary file stays. */
  const attempt = async (stages: Stages) => {
    const { result, placed } = await processImage(stages, work, holdOf(new AbortController()));
    const names = placed.map(({ fileName }) => fileName);
    assert.deepEqual((await filesIn(folderOf("outputImages"))).toSorted(), names.toSorted());
    assert.deepEqual(await filesIn(join(dataDir, "uploads", "temp")), []);
    return [result.ok ? "done" : result.failure.code, ...names];
  };
  /** What an earlier batch made of the same URL: the files of these outputs are still there. */
  const knownWith = async (...names: string[]): Promise<KnownSource> => {
    const earlier = { batchId: randomUUIDv7(), ordinal: 0 };
    for (const name of names) {
      const path = storage.tempPath();
      await writeFile(path, `earlier ${name}`);
      await storage.keepOutput(path, { ...earlier, fileName: `1-1-${name}.jpg` });
    }
    const outputs = ["large", "thumb"].map((name) => ({ ...MADE, name, fileName: `1-1-${name}.jpg`, bytes: `earlier ${name}`.length }));
    return { ...earlier, source: SOURCE, outputs };
  };

  test("calls a damaged file cut where nobody told its end, so that it is tried again", async () => {
    const failureOf = async (changed: Partial<Stages>, fetched: { isEndTold: boolean; bytes?: number }) => {
      const download: Stages["download"] = async ({ path }) => succeeded({ ...FETCHED, ...fetched, path, head: Buffer.from("input") });
      const { result } = await processImage(stagesOf({ download, ...changed }), work, holdOf(new AbortController()));
      return result.ok ? null : [result.failure.code, result.failure.retry];
    };
    const corrupt = async () => failed("corrupt_image", "The JPEG ends early.");
    for (const changed of [{ inspect: corrupt }, { encode: corrupt }]) {
      assert.deepEqual(await failureOf(changed, { isEndTold: true }), ["corrupt_image", false]);
      assert.deepEqual(await failureOf(changed, { isEndTold: false }), ["truncated", true]);
    }
    const noImage = { inspect: async () => failed("not_an_image") };
    assert.deepEqual(await failureOf(noImage, { isEndTold: false, bytes: 0 }), ["truncated", true]);
    assert.deepEqual(await failureOf(noImage, { isEndTold: true, bytes: 0 }), ["not_an_image", false]);
    assert.deepEqual(await failureOf(noImage, { isEndTold: false }), ["not_an_image", false]);
  });

  test("tells which outputs it has put at their places, whether all could be stored or not", async () => {
    assert.deepEqual(await attempt(stagesOf()), ["done", "7-1-large.jpg", "7-1-thumb.jpg"]);
    assert.deepEqual(await filesIn(folderOf("inputImages")), ["0.jpg"]);

    work.batchId = randomUUIDv7();
    await block("outputImages", "7-1-thumb.jpg");
    assert.deepEqual(await attempt(stagesOf()), ["storage_failed", "7-1-large.jpg"]);

    work.batchId = randomUUIDv7();
    await block("inputImages", "0.jpg");
    assert.deepEqual(await attempt(stagesOf()), ["storage_failed", "7-1-large.jpg", "7-1-thumb.jpg"]);
  });

  test("tells which it has linked to what an earlier batch made, where not all of it could be linked", async () => {
    const { download } = stagesOf();
    const unchanged: Stages["download"] = async (order) =>
      order.validators ? succeeded({ ...FETCHED, status: 304, path: order.path, head: Buffer.alloc(0) }) : failed("not_found");
    work.known = await knownWith("large");
    assert.deepEqual(await attempt(stagesOf({ download: unchanged })), ["not_found", "7-1-large.jpg"]);

    work.batchId = randomUUIDv7();
    const asWebp: Stages["encode"] = async (task, options) => {
      const encoded = await stagesOf().encode(task, options);
      if (encoded.ok) for (const output of encoded.value.outputs) output.format = "webp";
      return encoded;
    };
    assert.deepEqual(await attempt(stagesOf({ download, encode: asWebp })), ["done", "7-1-large.jpg", "7-1-large.webp", "7-1-thumb.webp"]);
  });

  test("that lost its claim while it was encoded, or asked for, replaces nothing that another has settled", async () => {
    const settleByAnother = async () => {
      for (const [kind, name] of SETTLED) {
        await mkdir(folderOf(kind), { recursive: true });
        await writeFile(join(folderOf(kind), name), "settled by another");
      }
    };
    const assertUntouched = async () => {
      for (const [kind, name] of SETTLED) assert.equal(await readFile(join(folderOf(kind), name), "utf8"), "settled by another", name);
    };
    /** Its claim is lost right after this stage has done its part. */
    const run = async (stage: "encode" | "download") => {
      const abort = new AbortController();
      const lost = new LostClaim();
      const done = stagesOf();
      const loseAfter = async <T>(result: T) => {
        await settleByAnother();
        abort.abort(lost);
        return result;
      };
      const changed: Partial<Stages> =
        stage === "encode"
          ? { encode: async (...given) => loseAfter(await done.encode(...given)) }
          : { download: async (...given) => loseAfter(await done.download(...given)) };
      await assert.rejects(processImage(stagesOf(changed), work, holdOf(abort)), lost);
      await assertUntouched();
      assert.deepEqual(await filesIn(join(dataDir, "uploads", "temp")), []);
    };
    await run("encode");
    work.known = await knownWith("large", "thumb");
    await run("download");
  });

  test("that loses its claim before its input is kept replaces no input", async () => {
    const abort = new AbortController();
    const lost = new LostClaim();
    const keepOutput: Stages["keepOutput"] = async (path, at) => {
      const kept = await storage.keepOutput(path, at);
      if (at.fileName.includes("thumb")) abort.abort(lost);
      return kept;
    };
    await assert.rejects(processImage(stagesOf({ keepOutput }), work, holdOf(abort)), lost);
    assert.deepEqual(await filesIn(folderOf("inputImages")), []);
  });

  test("that is broken off takes nothing away that may be another's by now", async () => {
    const large = () => join(folderOf("outputImages"), "7-1-large.jpg");
    for (const reason of [new Stopping(), new LostClaim()]) {
      work.batchId = randomUUIDv7();
      const abort = new AbortController();
      /** Broken off between the two outputs. */
      const keepOutput: Stages["keepOutput"] = async (path, at) => {
        const kept = await storage.keepOutput(path, at);
        await writeFile(large(), "settled by another");
        abort.abort(reason);
        return kept;
      };
      await assert.rejects(processImage(stagesOf({ keepOutput }), work, holdOf(abort)), reason);
      assert.equal(await readFile(large(), "utf8"), "settled by another");
      assert.deepEqual(await filesIn(join(dataDir, "uploads", "temp")), []);
    }
  });
});
