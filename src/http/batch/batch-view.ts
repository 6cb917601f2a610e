import type { Batch, Product } from "../../contract/batch.ts";
import type { BatchRow } from "../../db/batches.ts";
import type { WaitingHost } from "../../db/waiting-hosts.ts";
import { batchUrl, outputUrl, RESULT_FILES, viewPausedShare } from "../../domain/batch/batch-urls.ts";
import { countsOf, percentSettled } from "../../domain/batch/batch-state.ts";
import { IMAGE_CODES } from "../../domain/image/image-code.ts";
import { outputNamed, productStatus, type ProductResult } from "../../domain/batch/product-result.ts";
import { outputNames } from "../../domain/image/recipe.ts";

/** How a batch stands, for clients of /v1. */
export function viewBatch(batch: BatchRow, publicUrl: string): Batch {
  const self = batchUrl(publicUrl, batch.batchId);
  const file = (name: string) => outputUrl(publicUrl, batch.token, name);
  return {
    batchId: batch.batchId,
    ...viewState(batch, publicUrl),
    recipe: batch.recipe,
    sourceHosts: batch.sourceHosts,
    dialect: batch.csvFacts.dialect,
    products: batch.products,
    pauseAtFailurePercent: batch.pauseAtFailurePercent,
    pauseHostAtFailurePercent: batch.pauseHostAtFailurePercent,
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

/** Hosts for which it waits, for a look at one batch. */
export function viewWaitingHosts(hosts: readonly WaitingHost[]): { waitingHosts: NonNullable<Batch["waitingHosts"]> } {
  return {
    waitingHosts: hosts.map(({ host, until, code }) => ({ host, until: until.toISOString(), code, message: IMAGE_CODES[code].message })),
  };
}

/** What /v1 and the seed's status show alike. */
export function viewState(batch: BatchRow, publicUrl: string) {
  const counts = countsOf(batch);
  return {
    status: batch.status,
    outcome: batch.outcome,
    run: batch.run,
    fileName: batch.csvFileName,
    metadata: batch.metadata,
    progress: { ...counts, reused: batch.imagesReused, percent: percentSettled(counts) },
    bytes: { input: batch.inputBytes, output: batch.outputBytes },
    // What was cancelled is paused only until it ends, and waits for nobody to resume it.
    pausedAt: batch.cancelledAt === null ? (batch.pausedAt?.toISOString() ?? null) : null,
    pauseReason: batch.cancelledAt === null ? batch.pauseReason : null,
    cancelledAt: batch.cancelledAt?.toISOString() ?? null,
    pausedHosts: batch.pausedShares.map((share) =>
      viewPausedShare({ ...share, pausedAt: new Date(share.pausedAt) }, publicUrl, batch.batchId),
    ),
    hostsPaused: batch.hostsPaused,
    imagesHeld: batch.imagesHeld,
    createdAt: batch.createdAt.toISOString(),
    startedAt: batch.startedAt?.toISOString() ?? null,
    finishedAt: batch.finishedAt?.toISOString() ?? null,
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
        .flatMap((name) => outputNamed(outputs, name) ?? [])
        .map((output) => ({ ...output, url: outputUrl(publicUrl, batch.token, output.fileName) })),
      error,
    })),
  };
}
