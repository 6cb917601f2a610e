import { createReadStream } from "node:fs";
import { CATALOGUE_LIMITS } from "../csv/limits.ts";
import { readCatalogue, type ReadingOptions } from "../csv/read-catalogue.ts";
import type { CatalogueFacts } from "../domain/batch/catalogue-facts.ts";
import type { CatalogueProduct } from "../csv/read-product.ts";
import { cleanImageUrl } from "../domain/url/clean-image-url.ts";
import type { CsvProblem, UploadWarning } from "../domain/batch/csv-problem.ts";
import { createHashSet, hash53 } from "../domain/hash-set.ts";
import { createHostCensus, type CensusResult } from "./host-census.ts";
import { createLinkWatch } from "./link-watch.ts";

/** Plain data, so that it can be sent to a thread. */
export type SurveyOrder = {
  path: string;
  reading: ReadingOptions;
  /** How many URLs are drawn for a probe. */
  sampleSize: number;
  /** In ms since 1970. It decides which signed links have expired. */
  now: number;
};

export type Survey = CensusResult & {
  problems: CsvProblem[];
  problemCount: number;
  /** Null where not even the header was found. */
  facts: CatalogueFacts | null;
  warnings: UploadWarning[];
  rows: number;
  rowsWithoutImage: number;
  /** Different ids. */
  products: number;
  images: number;
  imagesInvalid: number;
};

/**
 * Reads a whole file as an upload would, past its problems, and counts what is in it, in bounded memory.
 * @throws the signal's reason where it aborts.
 */
export async function surveyCatalogue(
  { random, signal }: { random: () => number; signal?: AbortSignal },
  order: SurveyOrder,
): Promise<Survey> {
  const { reading, sampleSize, now } = order;
  const counts = { rows: 0, rowsWithoutImage: 0, images: 0, imagesInvalid: 0 };
  const census = createHostCensus({ sampleSize, random });
  const links = createLinkWatch({ now, baseUrl: reading.baseUrl });
  const ids = createHashSet({ isWide: true });

  const look = (product: CatalogueProduct, baseUrl: string | null) => {
    counts.rows += 1;
    counts.images += product.urls.length;
    if (product.urls.length === 0) counts.rowsWithoutImage += 1;
    ids.add(hash53(product.serial));
    links.look(product);
    for (const url of product.urls) {
      const clean = cleanImageUrl(url, { baseUrl });
      if (clean.ok) census.count(clean.href);
      else counts.imagesInvalid += 1;
    }
  };
  const read = await readCatalogue(() => createReadStream(order.path), {
    ...reading,
    limits: CATALOGUE_LIMITS,
    goesOn: true,
    async onProducts(products, { baseUrl }) {
      signal?.throwIfAborted();
      for (const product of products) look(product, baseUrl);
    },
  });
  const { problems, problemCount } = read.ok ? { problems: [], problemCount: 0 } : read;
  // The head can be long, and no preflight shows it.
  const facts = read.facts && { ...read.facts, head: "" };
  return { problems, problemCount, facts, warnings: links.warnings(), ...counts, products: ids.size, ...census.result() };
}
