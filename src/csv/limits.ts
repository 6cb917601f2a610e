export type CatalogueLimits = {
  /** Characters of one record, quotes and all. A thousand URLs of a thousand characters fit. */
  recordCharsMax: number;
  columnsMax: number;
  urlsPerProductMax: number;
  productsMax: number;
  imagesMax: number;
  /** What a gzipped file may unpack to. */
  unpackedBytesMax: number;
};

/** Pressrun is built for 5,000,000 images; twice that leaves room, and line numbers and ordinals still fit an integer. */
export const CATALOGUE_LIMITS: CatalogueLimits = {
  recordCharsMax: 1024 * 1024,
  columnsMax: 1_000,
  urlsPerProductMax: 1_000,
  productsMax: 10_000_000,
  imagesMax: 10_000_000,
  unpackedBytesMax: 4 * 1024 ** 3,
};

/** How many problems are listed; the rest is counted. */
export const PROBLEMS_LISTED_MAX = 100;
/** How many products are handed on at once: one COPY write of some 100 kB. */
export const PRODUCTS_AT_ONCE = 500;
