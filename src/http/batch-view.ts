import type { Batch, Product } from "../contract/batch.ts";
import type { CatalogueFacts } from "../csv/read-catalogue.ts";
import type { BatchRow } from "../db/batches.ts";
import { batchUrl, outputUrl, RESULT_FILES, viewPausedShare } from "../domain/batch-event.ts";
import { countsOf, percentSettled } from "../domain/batch-state.ts";
import { findOutput, productStatus, type ProductResult } from "../domain/product-result.ts";
import { outputNames, type OutputFormat } from "../domain/recipe.ts";

/** How a batch stands, for clients of /v1. */
export function viewBatch(batch: BatchRow, publicUrl: string): Batch {
  const counts = countsOf(batch);
  const self = batchUrl(publicUrl, batch.batchId);
  const file = (name: string) => outputUrl(publicUrl, batch.token, name);
  return {
    batchId: batch.batchId,
    status: batch.status,
    outcome: batch.outcome,
    run: batch.run,
    fileName: batch.csvFileName,
    metadata: batch.metadata,
    recipe: batch.recipe,
    sourceHosts: batch.sourceHosts,
    dialect: (batch.csvFacts as CatalogueFacts).dialect,
    products: batch.products,
    progress: { ...counts, reused: batch.imagesReused, percent: percentSettled(counts) },
    bytes: { input: batch.inputBytes, output: batch.outputBytes },
    pauseAtFailurePercent: batch.pauseAtFailurePercent,
    pauseHostAtFailurePercent: batch.pauseHostAtFailurePercent,
    pausedAt: batch.pausedAt?.toISOString() ?? null,
    pauseReason: batch.pauseReason,
    ...viewPausedHosts(batch, publicUrl),
    createdAt: batch.createdAt.toISOString(),
    startedAt: batch.startedAt?.toISOString() ?? null,
    finishedAt: batch.finishedAt?.toISOString() ?? null,
    links: {
      self,
      products: `${self}/products`,
      resultsCsv: file(RESULT_FILES.resultsCsv),
      failuresCsv: file(RESULT_FILES.failuresCsv),
      resultsJsonl: file(RESULT_FILES.resultsJsonl),
      archive: file(RESULT_FILES.archive),
    },
  };
}

/** What of a batch waits for a resume while the rest goes on. */
export function viewPausedHosts(
  { batchId, pausedShares, hostsPaused, imagesHeld }: BatchRow,
  publicUrl: string,
): Pick<Batch, "pausedHosts" | "hostsPaused" | "imagesHeld"> {
  return {
    pausedHosts: pausedShares.map((share) => viewPausedShare({ ...share, pausedAt: new Date(share.pausedAt) }, publicUrl, batchId)),
    hostsPaused,
    imagesHeld,
  };
}

/** A product with its images, for clients of /v1 and the lines of results.jsonl. */
export function viewProduct(product: ProductResult, batch: Pick<BatchRow, "token" | "recipe">, publicUrl: string): Product {
  const names = outputNames(batch.recipe);
  return {
    line: product.line,
    id: product.serial,
    name: product.name,
    status: productStatus(product),
    images: product.images.map(({ fetchedUrl, urlRules, outputs, error }, index) => ({
      url: product.urls[index] ?? "",
      fetchedUrl,
      urlRules: [...urlRules],
      outputs: names
        .flatMap((name) => findOutput(outputs, name) ?? [])
        .map((output) => ({ ...output, url: outputUrl(publicUrl, batch.token, output.fileName), format: output.format as OutputFormat })),
      error,
    })),
  };
}
