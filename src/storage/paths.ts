import { join, sep } from "node:path";
import { isFileName } from "../domain/file-name.ts";
import { isUuid } from "../domain/ids.ts";

/** The seed's folders, a folder for each batch inside, and shards of a thousand images in that. */
export type Paths = {
  temp: string;
  /** The four that have a folder for each batch. */
  roots: string[];
  csvFolders: string;
  csvFolder(batchId: string): string;
  resultFolder(batchId: string): string;
  inputFolder(batchId: string): string;
  outputFolder(batchId: string): string;
  /** All four of a batch. */
  foldersOf(batchId: string): string[];
  inputShard(batchId: string, ordinal: number): string;
  outputShard(batchId: string, ordinal: number): string;
};

/** A folder of a thousand files is quick on every file system; a million in one is not. */
export const SHARD_IMAGES = 1_000;

/** Joined as they are: to normalize each image's seven paths took 11 kB of garbage and a thirtieth of the main thread. */
export function createPaths(dataDir: string): Paths {
  const named = (name: string) => join(dataDir, "uploads", name);
  const inputs = named("inputImages");
  const outputs = named("outputImages");
  const csvFolders = named("inputCsvFiles");
  const results = named("outputCsvFiles");
  const foldersIn = (root: string) => (batchId: string) => `${root}${sep}${checkBatchId(batchId)}`;
  const shard = (ordinal: number) => String(Math.floor(ordinal / SHARD_IMAGES)).padStart(5, "0");
  const inputFolder = foldersIn(inputs);
  const outputFolder = foldersIn(outputs);
  const csvFolder = foldersIn(csvFolders);
  const resultFolder = foldersIn(results);
  return {
    temp: named("temp"),
    roots: [inputs, outputs, csvFolders, results],
    csvFolders,
    csvFolder,
    resultFolder,
    inputFolder,
    outputFolder,
    foldersOf: (batchId) => [inputFolder, outputFolder, csvFolder, resultFolder].map((folderOf) => folderOf(batchId)),
    inputShard: (batchId, ordinal) => `${inputFolder(batchId)}${sep}${shard(ordinal)}`,
    outputShard: (batchId, ordinal) => `${outputFolder(batchId)}${sep}${shard(ordinal)}`,
  };
}

/** Nothing that came from outside becomes part of a path unless it can only be a name. */
export function checkFileName(fileName: string): string {
  if (!isFileName(fileName)) throw new RangeError(`not a file name: ${JSON.stringify(fileName)}`);
  return fileName;
}

function checkBatchId(batchId: string): string {
  if (!isUuid(batchId)) throw new RangeError(`not a batch id: ${JSON.stringify(batchId)}`);
  return batchId;
}
