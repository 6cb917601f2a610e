import { constants, existsSync, renameSync, statSync } from "node:fs";
import { access, mkdir, rm, stat, statfs } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { RESULT_FILES } from "../domain/batch/batch-urls.ts";
import { errorCode } from "../domain/error-code.ts";
import { succeeded, type StageResult } from "../domain/image/stage-result.ts";
import { answerInTime } from "./answer-in-time.ts";
import { flushFiles, flushFolder } from "./flush-files.ts";
import { linkOrCopy } from "./link-or-copy.ts";
import { makeFolderNow } from "./make-folder.ts";
import { listUploads } from "./list-uploads.ts";
import { orStorageFailed } from "./or-storage-failed.ts";
import { checkFileName, createPaths, SHARD_IMAGES, type Paths } from "./paths.ts";
import { readdirIfThere, removeFolders } from "./remove-folders.ts";
import { createTempFolder } from "./temp-folder.ts";
import { isNoEntry, unlinkIfThere } from "./unlink-if-there.ts";

type ImagePlace = { batchId: string; ordinal: number };
export type OutputPlace = ImagePlace & { fileName: string };
export type InputPlace = ImagePlace & { extension: string };
/** The bytes of a linked file were put on the disk when it was written: only its name is new. */
export type FreshOutput = OutputPlace & { isLinked: boolean };
type Place = { folder: string; path: string };
export type StoredFile = { path: string; bytes: number; modifiedAt: Date };

/** Where files lie. A file is whole at its place or not there at all: written aside, then renamed. */
export type Storage = {
  tempPath(extension?: string): string;
  keepCsv(tempPath: string, batchId: string): Promise<{ path: string }>;
  keepInput(tempPath: string, at: InputPlace): Promise<StageResult<{ path: string }>>;
  /** Where KEEP_INPUTS is off. */
  dropInput(tempPath: string): Promise<StageResult<unknown>>;
  keepOutput(tempPath: string, at: OutputPlace): Promise<StageResult<{ path: string }>>;
  /**
   * Outputs and their names are on the disk, not only in its cache, once this resolves: the rows that name them are
   * committed after. A result for each, in order; what the disk would not take is removed.
   */
  flushOutputs(files: readonly FreshOutput[]): Promise<StageResult<unknown>[]>;
  /**
   * Gives another batch's files a second name below this one, so that each can be removed on its own: false where
   * they are not there any more, or an output has not its `bytes` (a restore that was not whole). Across file systems, and where
   * links are not possible, they are copied.
   */
  linkOutput(from: OutputPlace & { bytes: number }, to: OutputPlace): Promise<StageResult<boolean>>;
  linkInput(from: InputPlace, to: InputPlace): Promise<StageResult<boolean>>;
  /** The names of all files among a batch's outputs, whoever put them there, a folder at a time, with the ordinals that lie in it. */
  listOutputNames(batchId: string): AsyncGenerator<{ ordinals: { from: number; to: number }; fileNames: string[] }>;
  /** Where there is none, nothing happens. */
  removeOutput(at: OutputPlace): Promise<StageResult<unknown>>;
  /** Its name is on the disk once this resolves, as its bytes were before. */
  keepResult(tempPath: string, batchId: string): Promise<void>;
  findOutput(at: OutputPlace): Promise<StoredFile | null>;
  findResult(batchId: string): Promise<StoredFile | null>;
  /** The ids of batches of which there is only the upload, unchanged for so long: no work was ever done for them here. In pages. */
  listUploads(idleMs: number): AsyncGenerator<string[]>;
  removeUpload(batchId: string): Promise<void>;
  /**
   * Removes everything of a batch. Rejects where DATA_DIR is not there, as while its mount is gone; and once `signal` is aborted, with the
   * rest still there.
   */
  removeBatch(batchId: string, signal?: AbortSignal): Promise<void>;
  /** Never rejects: what was achieved stays so where the file cannot be removed, which is told, and tried again by each sweep. */
  discard(tempPath: string): Promise<void>;
  /**
   * Rejects while nothing can be written: the file system is read-only or short of inodes, or the mount is gone and an empty folder in its
   * place.
   */
  freeBytes(): Promise<number>;
  /**
   * Removes what processes left behind that are gone; of a living one only what it could not discard itself. To be called again and again: it also tells other
   * machines that this process lives.
   */
  sweep(): Promise<void>;
  close(): Promise<void>;
};

export async function createStorage(options: { dataDir: string; onNotRemoved?(error: unknown): void }): Promise<Storage> {
  const paths = createPaths(options.dataDir);
  await mkdir(paths.temp, { recursive: true });
  for (const folder of paths.roots) {
    await mkdir(folder, { recursive: true });
    checkOneFileSystem(paths.temp, folder);
  }
  const temp = await createTempFolder(paths.temp, options);
  const inMadeFolder = createFolderCache();

  const { placeOfCsv, placeOfInput, placeOfOutput, placeOfResult } = placesIn(paths);
  const moveInto = async (tempPath: string, { folder, path }: Place) => {
    inMadeFolder(folder, tempPath, () => renameSync(tempPath, path));
    return { path };
  };
  const linkInto = async (source: Place, { folder, path }: Place): Promise<boolean> =>
    inMadeFolder(folder, source.path, () => linkOrCopy(source.path, { target: path, aside: temp.path() }));

  return {
    tempPath: temp.path,
    keepCsv: (tempPath, batchId) => moveInto(tempPath, placeOfCsv(batchId)),
    async keepResult(tempPath, batchId) {
      const place = placeOfResult(batchId);
      await moveInto(tempPath, place);
      // The folder is new as well.
      for (const folder of [place.folder, dirname(place.folder)]) await flushFolder(folder);
    },
    keepInput: (tempPath, at) => orStorageFailed(() => moveInto(tempPath, placeOfInput(at))),
    keepOutput: (tempPath, at) => orStorageFailed(() => moveInto(tempPath, placeOfOutput(at))),
    flushOutputs: (files) => flushFiles(files.map((file) => ({ ...placeOfOutput(file), isLinked: file.isLinked }))),
    linkOutput: (from, to) =>
      orStorageFailed(async () => isFileOf(placeOfOutput(from).path, from.bytes) && linkInto(placeOfOutput(from), placeOfOutput(to))),
    linkInput: (from, to) => orStorageFailed(() => linkInto(placeOfInput(from), placeOfInput(to))),
    listOutputNames: (batchId) => listOutputNames(paths, batchId),
    async removeOutput(at) {
      const { path } = placeOfOutput(at);
      // Most often there is none, which needs no thread to see (docs/adr/0004-short-file-calls-at-once.md).
      return existsSync(path) ? orStorageFailed(() => unlinkIfThere(path)) : succeeded(null);
    },
    findOutput: (at) => findFile(placeOfOutput(at).path),
    findResult: (batchId) => findFile(placeOfResult(batchId).path),
    listUploads: (idleMs) => listUploads(paths, idleMs, temp.touch),
    async removeUpload(batchId) {
      await rm(paths.csvFolder(batchId), { recursive: true, force: true });
    },
    async removeBatch(batchId, signal) {
      await access(temp.folder);
      await removeFolders(paths.foldersOf(batchId), signal);
    },
    dropInput: (tempPath) => orStorageFailed(() => unlinkIfThere(tempPath)),
    discard: temp.discard,
    async freeBytes() {
      await access(temp.folder, constants.W_OK);
      return freeBytes(options.dataDir);
    },
    sweep: temp.sweep,
    close: () => answerInTime(temp.remove()),
  };
}

/**
 * A file gets to its place whole by a new name, which no file system gives to the file of another. Linux looks at that before it looks for
 * the file, so that none is needed to find out, and none left behind; elsewhere the first file to be moved tells.
 */
function checkOneFileSystem(temp: string, folder: string): void {
  try {
    renameSync(join(temp, "no-file"), join(folder, "no-file"));
  } catch (error) {
    if (errorCode(error) === "EXDEV")
      throw new Error(
        `${folder} and ${temp} are two file systems or mounts: expected one, where a finished file gets to its place by a new name. Mount DATA_DIR or its folder uploads as a whole.`,
        { cause: error },
      );
  }
}

function placesIn(paths: Paths) {
  const inFolder = (folder: string, name: string): Place => ({ folder, path: `${folder}${sep}${checkFileName(name)}` });
  return {
    placeOfCsv: (batchId: string) => inFolder(paths.csvFolder(batchId), "upload.csv"),
    placeOfInput: ({ batchId, ordinal, extension }: InputPlace) => inFolder(paths.inputShard(batchId, ordinal), `${ordinal}.${extension}`),
    placeOfOutput: ({ batchId, ordinal, fileName }: OutputPlace) => inFolder(paths.outputShard(batchId, ordinal), fileName),
    placeOfResult: (batchId: string) => inFolder(paths.resultFolder(batchId), RESULT_FILES.resultsCsv),
  };
}

/**
 * So many files can still be made while images are claimed: 8,000 for the input and the output of each of the four thousand that may be in
 * hand, the rest for a database beside them and for uploads, since no inodes are kept back for the system as blocks are. Of a file system
 * that has few it is a tenth. One that does not count them (Btrfs, FAT) says 0 of 0, and is never short; nor is one that says so of blocks.
 */
const FREE_FILES_MIN = 14_000;
const FREE_FILES_SHARE = 1 / 10;

async function freeBytes(dataDir: string): Promise<number> {
  const { bavail, blocks, bsize, files, ffree } = await statfs(dataDir);
  const filesMin = Math.min(FREE_FILES_MIN, Math.floor(files * FREE_FILES_SHARE));
  if (ffree >= filesMin) return blocks === 0 ? Number.MAX_SAFE_INTEGER : bavail * bsize;
  throw new Error(`no files but ${ffree} can be made any more: expected ${filesMin} free inodes or more on the file system of DATA_DIR`);
}

async function* listOutputNames(paths: Paths, batchId: string): ReturnType<Storage["listOutputNames"]> {
  const shards = await readdirIfThere(paths.outputFolder(batchId));
  for (const shard of shards.filter((name) => /^\d+$/.test(name))) {
    const from = Number(shard) * SHARD_IMAGES;
    yield { ordinals: { from, to: from + SHARD_IMAGES - 1 }, fileNames: await readdirIfThere(paths.outputShard(batchId, from)) };
  }
}

/**
 * A batch's files share a few folders: each is made once. Forgotten now and then, so that it stays small. At once, as a file gets its
 * name: whoever has just made sure of a claim must not wait for a thread in between, and find it lost.
 *
 * Where somebody has removed a folder since, or put another copy in its place, it is made once more. Not where `source` is gone as well,
 * of which the file is made: then a mount may be gone, in whose place nothing must be.
 */
function createFolderCache(): <T>(folder: string, source: string, put: () => T) => T {
  const made = new Set<string>();
  const ensureFolder = (folder: string) => {
    if (made.has(folder)) return;
    if (made.size > 10_000) made.clear();
    makeFolderNow(folder);
    made.add(folder);
  };
  return (folder, source, put) => {
    ensureFolder(folder);
    try {
      return put();
    } catch (error) {
      if (!isNoEntry(error) || !existsSync(source)) throw error;
      made.delete(folder);
      ensureFolder(folder);
      return put();
    }
  };
}

/** Follows a symbolic link, which a batch that was moved may have left, and which may lead nowhere. */
function isFileOf(path: string, bytes: number): boolean {
  return statSync(path, { throwIfNoEntry: false })?.size === bytes;
}

async function findFile(path: string): Promise<StoredFile | null> {
  try {
    const found = await stat(path);
    return { path, bytes: found.size, modifiedAt: found.mtime };
  } catch (error) {
    if (isNoEntry(error)) return null;
    throw error;
  }
}
