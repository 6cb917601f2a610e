import type { OutputFormat } from "../image/recipe.ts";

/** What came of one try of a probe; `host` is null where the host is not counted on its own. */
export type Trial = { host: string | null; ms: number; result: { ok: true; bytes: number; megapixels: number } | { ok: false } };
/** Distinct images by host; a repeat is not fetched again. */
export type Stratum = { host: string | null; imagesDistinct: number };
/** The means by which the batch would be worked. */
export type Plant = { encoders: number; downloads: number; downloadsPerHost: number };

export type Forecast = {
  failures: { expected: number; low: number; high: number; share: number };
  bytes: number;
  megapixels: number;
  fetchSeconds: number;
  encodeSeconds: number;
  seconds: number;
};

/**
 * CPU of an image, whatever its size, and of each of its megapixels, by two sizes of a benchmark (2026-11-24, 49.3 ms
 * for 6 megapixels and 4.8 ms for 0.27, everything counted): (49.3 − 4.8) / 5.73 = 7.8 ms a megapixel, which leaves 2.7 ms. The slower
 * machine of bench/README.md takes 11.
 * The other formats are by docs/recipes.md (same machine and day, one core, quality 80): WebP 60 ms a megapixel, AVIF 100;
 * PNG took 0.58 s for 6 megapixels.
 */
const IMAGE_MS = 2.7;
const MEGAPIXEL_MS: Record<OutputFormat, number> = { jpeg: 7.8, webp: 60, avif: 100, png: 97 };

/**
 * Says what a sample means for all images. Each host is a stratum that speaks for its own images, since all images of a host
 * tend to fail together (a shop has moved, a CDN refuses strangers). A host that the sample has no image of is taken to be
 * like all others together. Null without a trial.
 */
export function forecast(
  strata: readonly Stratum[],
  trials: readonly Trial[],
  options: { plant: Plant; format: OutputFormat },
): Forecast | null {
  const tried = strata
    .map((stratum) => ({ ...stratum, ...summarize(trials.filter(({ host }) => host === stratum.host)) }))
    .filter(({ trials }) => trials > 0);
  if (tried.length === 0) return null;
  const images = sum(strata, ({ imagesDistinct }) => imagesDistinct);
  const seen = sum(tried, ({ imagesDistinct }) => imagesDistinct);
  const average = (value: (stratum: Tried) => number) => sum(tried, (stratum) => stratum.imagesDistinct * value(stratum)) / seen;
  const share = average(({ failureShare }) => failureShare);
  const megapixels = images * average((stratum) => stratum.megapixels);
  const { low, high } = shareInterval(share, effectiveSize(tried, { images, seen }));

  const fetchSeconds = fetchMs(strata, tried, { ...options.plant, otherMs: average(({ ms }) => ms) }) / 1_000;
  const succeeding = images * (1 - share);
  const encodeSeconds = (succeeding * IMAGE_MS + megapixels * MEGAPIXEL_MS[options.format]) / options.plant.encoders / 1_000;
  return {
    failures: { expected: Math.round(share * images), low: Math.floor(low * images), high: Math.ceil(high * images), share },
    bytes: Math.round(images * average((stratum) => stratum.bytes)),
    megapixels,
    fetchSeconds,
    encodeSeconds,
    seconds: Math.max(fetchSeconds, encodeSeconds),
  };
}

type Summary = {
  trials: number;
  failureShare: number;
  /** On average over all trials; a failed one counts as 0. */
  bytes: number;
  megapixels: number;
  ms: number;
};
type Tried = Stratum & Summary;

function summarize(trials: readonly Trial[]): Summary {
  const mean = (value: (trial: Trial) => number) => sum(trials, value) / trials.length;
  return {
    trials: trials.length,
    failureShare: mean(({ result }) => (result.ok ? 0 : 1)),
    bytes: mean(({ result }) => (result.ok ? result.bytes : 0)),
    megapixels: mean(({ result }) => (result.ok ? result.megapixels : 0)),
    ms: mean(({ ms }) => ms),
  };
}

/**
 * How many trials of a plain random sample would tell as much. They are fewer where strata are not sampled in proportion
 * to their sizes (Kish 1965: the square of the weights' sum over the sum of their squares, a weight being how many images a
 * trial speaks for), and more where most images were tried (the finite population correction). Where all were tried, nothing
 * is left to guess.
 */
function effectiveSize(tried: readonly Tried[], { images, seen }: { images: number; seen: number }): number {
  const trials = sum(tried, (stratum) => stratum.trials);
  const unlike = seen ** 2 / sum(tried, (stratum) => stratum.imagesDistinct ** 2 / stratum.trials);
  return trials >= images ? Infinity : (unlike * (images - 1)) / (images - trials);
}

/** 95 % of a normal distribution lie within so many standard deviations. */
const Z = 1.96;

/**
 * Wilson's interval for a share that was seen in `size` trials (Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953).
 * Unlike the textbook's p ± 2σ it says something where nothing failed: of 20 good images follows at most 16 % bad ones.
 */
export function shareInterval(share: number, size: number): { low: number; high: number } {
  if (size === Infinity) return { low: share, high: share };
  const shrink = 1 + Z ** 2 / size;
  const center = (share + Z ** 2 / (2 * size)) / shrink;
  const half = (Z * Math.sqrt((share * (1 - share)) / size + Z ** 2 / (4 * size ** 2))) / shrink;
  // The share lies within the interval anyway; rounding could put it just outside.
  return { low: Math.max(0, Math.min(share, center - half)), high: Math.min(1, Math.max(share, center + half)) };
}

/** The time of the slowest host under the limit for one host, or of all under that for the process. Retries and waits come on top. */
function fetchMs(
  strata: readonly Stratum[],
  tried: readonly Tried[],
  { downloads, downloadsPerHost, otherMs }: Plant & { otherMs: number },
): number {
  const known = new Map(tried.map(({ host, ms }) => [host, ms]));
  const alone = strata.map(({ host, imagesDistinct }) => ({ host, imagesDistinct, ms: imagesDistinct * (known.get(host) ?? otherMs) }));
  const slowest = Math.max(
    ...alone.map(({ host, imagesDistinct, ms }) =>
      host === null ? 0 : ms / Math.max(1, Math.min(downloads, downloadsPerHost, imagesDistinct)),
    ),
  );
  return Math.max(
    slowest,
    sum(alone, ({ ms }) => ms) /
      Math.max(
        1,
        Math.min(
          downloads,
          sum(strata, ({ imagesDistinct }) => imagesDistinct),
        ),
      ),
  );
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
