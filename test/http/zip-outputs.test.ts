import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { before, describe, test } from "node:test";
import { crc32 } from "node:zlib";
import yauzl from "yauzl";
import { directoryRecord, endOfArchive, localHeader, toDosTime } from "../../src/http/files/zip-format.ts";
import { zipOutputs, type ArchiveFiles, type ListedOutput } from "../../src/http/files/zip-outputs.ts";
import { createTestFolder } from "../support/folder.ts";

const AT = new Date(2026, 10, 28, 21, 30, 59);

describe("an archive of outputs", () => {
  let folder: string;
  before(async () => {
    folder = await createTestFolder();
  });

  /** Files of these names and contents. `listed` is what their rows say. */
  const archiveOf = async (contents: Record<string, Buffer>, listed: Partial<ListedOutput>[] = []) => {
    const outputs = Object.entries(contents).map(([fileName, { length }], ordinal) => ({
      ordinal,
      fileName,
      bytes: length,
      ...listed[ordinal],
    }));
    await Promise.all(Object.values(contents).map((content, ordinal) => writeFile(join(folder, String(ordinal)), content)));
    const files: ArchiveFiles = {
      list: async function* () {
        yield* outputs;
      },
      find: async ({ ordinal, bytes }) => ({ path: join(folder, String(ordinal)), bytes, modifiedAt: AT }),
    };
    return buffer(zipOutputs(files));
  };

  test("holds every file whole, small ones and large, for a strict reader of its directory", async () => {
    const contents = {
      "MUG-1.jpg": randomBytes(700),
      "köpfe-1-größe.jpg": randomBytes(20),
      "large.png": randomBytes(2_500_000),
      "one-byte.webp": randomBytes(1),
      ...Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`p-${n}.jpg`, randomBytes(100 * n)])),
      "last-large.png": randomBytes(1_048_577),
    };
    const zip = await yauzl.fromBufferPromise(await archiveOf(contents), { strictFileNames: true });
    const found = new Map<string, Buffer>();
    for await (const entry of zip.eachEntry()) {
      assert.deepEqual([entry.compressionMethod, entry.getLastModDate({ forceDosFormat: true }).getTime()], [0, AT.getTime() - 1_000]);
      const content = await buffer(await zip.openReadStreamPromise(entry));
      assert.equal(crc32(content), entry.crc32);
      found.set(entry.fileName, content);
    }
    assert.deepEqual([...found], Object.entries(contents));
  });

  test("can be read as it comes: size and checksum stand before each file, not behind it", async () => {
    const contents = { "a.jpg": randomBytes(500), "b.png": randomBytes(1_200_000), "c.webp": randomBytes(10) };
    const bytes = await archiveOf(contents);
    let at = 0;
    for (const content of Object.values(contents)) {
      const [signature, flags] = [bytes.readUInt32LE(at), bytes.readUInt16LE(at + 6)];
      assert.deepEqual([signature, flags & 0b1000], [0x04034b50, 0]);
      assert.deepEqual([bytes.readUInt32LE(at + 14), bytes.readUInt32LE(at + 18)], [crc32(content), content.length]);
      at += 30 + bytes.readUInt16LE(at + 26) + bytes.readUInt16LE(at + 28) + content.length;
    }
    assert.equal(bytes.readUInt32LE(at), 0x02014b50);
  });

  test("is empty where there is no output, and breaks where a file is not as its row says", async () => {
    const empty = await yauzl.fromBufferPromise(await archiveOf({}));
    assert.equal(empty.entryCount, 0);
    for (const length of [10, 1_100_000]) {
      await assert.rejects(archiveOf({ "a.jpg": randomBytes(length) }, [{ bytes: length + 1 }]), /a\.jpg|has changed/);
      await assert.rejects(archiveOf({ "a.jpg": randomBytes(length) }, [{ bytes: length - 1 }]), /has changed/);
    }
  });
});

describe("the directory of an archive", () => {
  const record = (index: number, offset: number) =>
    directoryRecord({ name: Buffer.from(`${index}.jpg`), bytes: 1, crc32: index, modifiedAt: toDosTime(AT), offset });
  /** As a reader finds it in a file of `start` bytes before it, none of which is asked for. */
  const readDirectory = async (records: readonly Buffer[], start: number) => {
    const bytes = Buffer.concat(records);
    const tail = Buffer.concat([bytes, endOfArchive({ entries: records.length, start, bytes: bytes.length })]);
    class Tail extends yauzl.RandomAccessReader {
      override _readStreamForRange(from: number, to: number) {
        const head = Buffer.alloc(Math.max(0, Math.min(to, start) - from));
        return Readable.from([Buffer.concat([head, tail.subarray(Math.max(0, from - start), Math.max(0, to - start))])]);
      }
    }
    const zip = await yauzl.fromRandomAccessReaderPromise(new Tail(), start + tail.length, { autoClose: false });
    const offsets: number[] = [];
    for await (const entry of zip.eachEntry()) {
      assert.equal(entry.fileName, `${offsets.length}.jpg`);
      offsets.push(entry.relativeOffsetOfLocalHeader);
    }
    return offsets;
  };

  for (const entries of [65_535, 65_536]) {
    test(`of ${entries} entries has each`, async () => {
      const bytes = Buffer.concat(Array.from({ length: entries }, (_, index) => record(index, 0)));
      const zip = await yauzl.fromBufferPromise(Buffer.concat([bytes, endOfArchive({ entries, start: 0, bytes: bytes.length })]));
      let count = 0;
      for await (const { fileName } of zip.eachEntry()) assert.equal(fileName, `${count++}.jpg`);
      assert.deepEqual([count, zip.entryCount], [entries, entries]);
    });
  }

  test("finds what begins behind 4 GiB", async () => {
    assert.equal(
      record(0, 2 ** 32 - 1).length - record(0, 2 ** 32 - 2).length,
      12,
      "the number that says that it is elsewhere is none itself",
    );
    const starts = [0, 2 ** 32 - 2, 2 ** 32 - 1, 2 ** 32, 5_000_000_000];
    for (const start of [2 ** 32 - 2, 2 ** 32 - 1, 2 ** 32, 6_000_000_000]) {
      const offsets = await readDirectory(
        starts.map((offset, index) => record(index, offset)),
        start,
      );
      assert.deepEqual(offsets, starts);
    }
  });

  test("has the times that ZIP can say, in the machine's zone", () => {
    const timeOf = (at: Date) =>
      localHeader({ name: Buffer.from("a"), bytes: 1, crc32: 0, modifiedAt: toDosTime(at), offset: 0 }).readUInt32LE(10);
    assert.equal(timeOf(new Date(1980, 0, 1)), (1 << 21) | (1 << 16));
    assert.equal(timeOf(AT) >>> 25, 46);
    assert.ok(timeOf(new Date(1970, 0, 1)) <= timeOf(new Date(1981, 0, 1)) && timeOf(new Date(2200, 0, 1)) > timeOf(AT));
  });
});
