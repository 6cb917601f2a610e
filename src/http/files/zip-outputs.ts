import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { crc32 } from "node:zlib";
import type { StoredFile } from "../../storage/storage.ts";
import { lostOutput } from "../problems.ts";
import { directoryRecord, endOfArchive, localHeader, toDosTime, type DosTime } from "./zip-format.ts";

/** As its row has it. */
export type ListedOutput = { ordinal: number; fileName: string; bytes: number };

export type ArchiveFiles = {
  /** In the same order each time. */
  list(): AsyncIterable<ListedOutput>;
  find(output: ListedOutput): Promise<StoredFile | null>;
};

/** So many small files are read side by side, up to so many bytes together. One that has more by itself is read twice, piece by piece. */
const GROUP_FILES = 32;
const GROUP_BYTES = 1024 * 1024;

/**
 * A ZIP of outputs, made while it is read. Begun by the first byte that is asked for, so that HEAD opens nothing. The directory at its end
 * is written from the rows, which are read once more: of each entry only its checksum and time are kept, which of millions fits into
 * memory. Throws where a file is not as its row says.
 */
export async function* zipOutputs(files: ArchiveFiles): AsyncGenerator<Buffer> {
  const facts = createFacts();
  let offset = 0;
  for await (const group of groupsOf(files.list())) {
    const parts = await Promise.all(group.map((output) => readPart(files, output)));
    const pieces: Buffer[] = [];
    for (const [index, { path, content, ...entry }] of parts.entries()) {
      facts.add(entry);
      const header = localHeader({ ...entry, offset });
      pieces.push(header, ...(content === null ? [] : [content]));
      offset += header.length + entry.bytes;
      if (content !== null && index < parts.length - 1) continue;
      yield Buffer.concat(pieces);
      if (content === null) yield* readPieces(path, entry.bytes);
    }
  }
  yield* writeDirectory(files.list(), facts, offset);
}

async function* writeDirectory(outputs: AsyncIterable<ListedOutput>, facts: Facts, start: number): AsyncGenerator<Buffer> {
  const directory = { entries: 0, start, bytes: 0 };
  let offset = 0;
  for await (const group of groupsOf(outputs)) {
    const records = group.map(({ fileName, bytes }) => {
      const entry = { name: Buffer.from(fileName), bytes, ...facts.of(directory.entries), offset };
      directory.entries += 1;
      offset += localHeader(entry).length + bytes;
      return directoryRecord(entry);
    });
    const page = Buffer.concat(records);
    directory.bytes += page.length;
    yield page;
  }
  if (offset !== start) throw new Error("the outputs have changed while they were sent");
  yield endOfArchive(directory);
}

type Facts = ReturnType<typeof createFacts>;

/** Checksum and time of the entries, in order, in eight bytes each. */
function createFacts() {
  let numbers = new Uint32Array(1_024);
  let count = 0;
  return {
    add({ crc32, modifiedAt }: { crc32: number; modifiedAt: DosTime }) {
      if (count === numbers.length) {
        const grown = new Uint32Array(2 * count);
        grown.set(numbers);
        numbers = grown;
      }
      numbers.set([crc32, modifiedAt], count);
      count += 2;
    },
    of: (index: number) => ({ crc32: numbers[2 * index] ?? 0, modifiedAt: numbers[2 * index + 1] ?? 0 }),
  };
}

/** What follows each other, in groups that are small enough to be held in memory; a large file is a group of its own. */
async function* groupsOf(outputs: AsyncIterable<ListedOutput>): AsyncGenerator<ListedOutput[]> {
  let group: ListedOutput[] = [];
  let bytes = 0;
  for await (const output of outputs) {
    if (group.length === GROUP_FILES || (group.length > 0 && bytes + output.bytes > GROUP_BYTES)) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(output);
    bytes += output.bytes;
  }
  if (group.length > 0) yield group;
}

/** `content` is null where the file is too large to be held. */
type Part = { path: string; name: Buffer; bytes: number; crc32: number; modifiedAt: DosTime; content: Buffer | null };

async function readPart({ find }: ArchiveFiles, output: ListedOutput): Promise<Part> {
  const { fileName, bytes } = output;
  const file = await find(output);
  if (file?.bytes !== bytes) throw lostOutput(fileName);
  const part = { path: file.path, name: Buffer.from(fileName), bytes, modifiedAt: toDosTime(file.modifiedAt) };
  if (bytes > GROUP_BYTES) {
    let sum = 0;
    for await (const piece of readPieces(file.path, bytes)) sum = crc32(piece, sum);
    return { ...part, crc32: sum, content: null };
  }
  const content = await readFile(file.path);
  checkLength(file.path, content.length, bytes);
  return { ...part, crc32: crc32(content), content };
}

async function* readPieces(path: string, bytes: number): AsyncGenerator<Buffer> {
  let length = 0;
  for await (const piece of createReadStream(path) as AsyncIterable<Buffer>) {
    length += piece.length;
    yield piece;
  }
  checkLength(path, length, bytes);
}

function checkLength(path: string, length: number, expected: number): void {
  if (length !== expected) throw new Error(`${path} has changed while it was sent: ${length} bytes instead of ${expected}`);
}
