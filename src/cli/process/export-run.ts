import { createWriteStream, rmSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ResultShape } from "../../csv/write-result.ts";
import { writeFailuresFile, writeResultFile } from "../../csv/write-result-file.ts";
import type { BatchRow } from "../../db/batches.ts";
import type { Executor } from "../../db/connection/connect.ts";
import { recordPages } from "../../db/list-products.ts";
import { listOutputs, listUnknownOutputs } from "../../db/outputs.ts";
import { outputNames } from "../../domain/image/recipe.ts";
import { isLinkOrCopy, linkOrCopy } from "../../storage/link-or-copy.ts";
import type { Storage } from "../../storage/storage.ts";

const IMAGES = "images";
/** What a run writes into its folder. */
export const RESULT_NAMES = ["results.csv", "failures.csv", "import.csv", IMAGES] as const;

type ExportDeps = { executor: Executor; storage: Pick<Storage, "findOutput"> };
type Target = { dir: string; publicUrl: string | null; previousBatchId: string | null; signal: AbortSignal };

/**
 * Puts the outputs of an ended batch into `images` of a folder, by the names that the service gives them, and writes the CSV
 * files. It may run twice: outputs that are there already are left, so that a stop in the middle costs little.
 */
export async function exportRun(deps: ExportDeps, batch: BatchRow, target: Target): Promise<void> {
  await exportOutputs(deps, batch, target);
  const products = () => recordPages(deps.executor, batch.batchId);
  const urlOf = (fileName: string) => `${target.publicUrl ?? IMAGES}/${fileName}`;
  const results = (shape: ResultShape) =>
    writeResultFile({ facts: batch.csvFacts, shape, names: outputNames(batch.recipe), products: products(), outputUrl: urlOf });
  const put = (name: string, pieces: AsyncIterable<Buffer> | null) => writeWhole(join(target.dir, name), pieces, target.signal);
  await put("failures.csv", batch.imagesFailed > 0 ? writeFailuresFile(batch.csvFacts, products()) : null);
  // Without a public URL outputs have paths, which mean nothing to a shop system that imports the file.
  await put("import.csv", target.publicUrl === null ? null : results("import"));
  await put("results.csv", results("append"));
}

/** Writes a file aside and renames it. With null as its pieces the file of an earlier run is removed. */
async function writeWhole(path: string, pieces: AsyncIterable<Buffer> | null, signal: AbortSignal): Promise<void> {
  if (pieces === null) return rm(path, { force: true });
  const aside = `${path}.new`;
  try {
    await pipeline(Readable.from(pieces, { objectMode: false }), createWriteStream(aside, { flush: true }), { signal });
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}

/** How many files are placed between two looks at the signal; a link takes some 20 µs. */
const FILES_AT_ONCE = 500;

async function exportOutputs({ executor, storage }: ExportDeps, batch: BatchRow, { dir, previousBatchId, signal }: Target): Promise<void> {
  const folder = join(dir, IMAGES);
  await mkdir(folder, { recursive: true });
  for await (const group of inGroups(listOutputs(executor, batch.batchId))) {
    signal.throwIfAborted();
    for (const { ordinal, fileName } of group) {
      const stored = await storage.findOutput({ batchId: batch.batchId, ordinal, fileName });
      if (!stored) throw new Error(`the output ${fileName} is not where its row says`);
      place(stored.path, join(folder, fileName));
    }
  }
  if (previousBatchId === null) return;
  for await (const group of inGroups(listOutputs(executor, previousBatchId))) {
    signal.throwIfAborted();
    const gone = new Set(
      await listUnknownOutputs(
        executor,
        batch.batchId,
        group.map(({ fileName }) => fileName),
      ),
    );
    for (const { ordinal, fileName } of group) {
      if (!gone.has(fileName)) continue;
      const stored = await storage.findOutput({ batchId: previousBatchId, ordinal, fileName });
      if (stored && isLinkOrCopy(stored.path, join(folder, fileName))) rmSync(join(folder, fileName), { force: true });
    }
  }
}

async function* inGroups<T>(items: AsyncIterable<T>): AsyncGenerator<T[]> {
  let group: T[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < FILES_AT_ONCE) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

/** No two outputs of a batch have one name (output_file_name), so that a file that is there is this one or one of an earlier run. */
function place(stored: string, path: string): void {
  if (isLinkOrCopy(stored, path)) return;
  if (!linkOrCopy(stored, { target: path, aside: `${path}.new` })) throw new Error(`the output ${stored} was removed meanwhile`);
}
