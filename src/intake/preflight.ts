import type { Preflight } from "../contract/preflight.ts";
import { DIALECTS } from "../csv/dialects/all.ts";
import type { ReadingOptions } from "../csv/read-catalogue.ts";
import type { CatalogueFacts } from "../domain/batch/catalogue-facts.ts";
import { forecast, type Plant, type Stratum, type Trial } from "../domain/batch/forecast.ts";
import { withoutQuery } from "../domain/url/image-url.ts";
import type { OutputFormat } from "../domain/image/recipe.ts";
import type { SourceHeaders } from "../domain/secret/source-headers.ts";
import { hostOf } from "./host-census.ts";
import { probeSample, type ProbeImage, type ProbeTrial } from "./probe-sample.ts";
import type { Survey, SurveyOrder } from "./survey-catalogue.ts";

export type PreflightOrder = {
  csv: { path: string; bytes: number; fileName: string | null };
  reading: ReadingOptions;
  /** How many images are tried. */
  probe: number;
  /** Only the hosts that they name are shown them. */
  sourceHeaders: readonly SourceHeaders[];
  format: OutputFormat;
};

export type PreflightDeps = {
  survey(order: SurveyOrder, bytes: number, signal: AbortSignal): Promise<Survey>;
  probeImage(sourceHeaders: readonly SourceHeaders[]): ProbeImage;
  plant: Plant;
  now(): number;
};

/** Says what a file is and what would become of it, and stores nothing. */
export async function preflight(deps: PreflightDeps, order: PreflightOrder, signal: AbortSignal): Promise<Preflight> {
  const { csv, reading, probe, sourceHeaders } = order;
  const survey = await deps.survey({ path: csv.path, reading, sampleSize: probe, now: deps.now() }, csv.bytes, signal);
  const probed = probe === 0 ? null : await probeSample(deps.probeImage(sourceHeaders), survey.sample, signal);
  return {
    ok: survey.problemCount === 0,
    fileName: csv.fileName,
    bytes: csv.bytes,
    // Of the file that we made from JSON the client knows nothing.
    file: reading.layout !== null || survey.facts === null ? null : viewFile(survey.facts),
    rows: survey.rows,
    rowsWithoutImage: survey.rowsWithoutImage,
    products: survey.products,
    images: survey.images,
    imagesDistinct: survey.imagesDistinct,
    imagesInvalid: survey.imagesInvalid,
    hosts: survey.hosts,
    hostCount: survey.hostCount,
    imagesAtOtherHosts: survey.elsewhere.images,
    problems: survey.problems,
    problemCount: survey.problemCount,
    ...(survey.warnings.length === 0 ? {} : { warnings: survey.warnings }),
    probe: probed && viewProbe(survey, probed, { asked: probe, plant: deps.plant, format: order.format }),
  };
}

function viewFile({
  dialect,
  encoding,
  hasBom,
  delimiter,
  headerLine,
  header,
  columns,
  baseUrl,
}: CatalogueFacts): NonNullable<Preflight["file"]> {
  const named = (indexes: readonly number[]) => indexes.map((index) => header[index] ?? "");
  return {
    dialect,
    encoding,
    hasBom,
    delimiter,
    headerLine,
    baseUrl,
    columns: { all: header, images: named(columns.images.map(({ index }) => index)), name: named(columns.name), id: named(columns.id) },
    traps: [...(DIALECTS.find(({ name }) => name === dialect)?.traps ?? [])],
  };
}

type Probed = Awaited<ReturnType<typeof probeSample>>;
type ProbeView = NonNullable<Preflight["probe"]>;

function viewProbe(
  survey: Survey,
  { trials, unfinished }: Probed,
  { asked, plant, format }: { asked: number; plant: Plant; format: OutputFormat },
): ProbeView {
  const known = new Set(survey.hosts.map(({ host }) => host));
  const placed = trials.map((trial) => ({ ...trial, host: known.has(hostOf(trial.url)) ? hostOf(trial.url) : null }));
  const strata: Stratum[] = survey.hosts.map(({ host, imagesDistinct }) => ({ host, imagesDistinct }));
  if (survey.elsewhere.imagesDistinct > 0) strata.push({ host: null, imagesDistinct: survey.elsewhere.imagesDistinct });
  const expected = forecast(strata, placed.map(toTrial), { plant, format });
  return {
    asked,
    tried: trials.length,
    failed: failuresOf(trials).length,
    unfinished,
    hosts: strata.flatMap((stratum) =>
      viewHost(
        stratum,
        placed.filter(({ host }) => host === stratum.host),
      ),
    ),
    examples: pickExamples(trials),
    forecast: expected && {
      ...expected,
      failures: { ...expected.failures, share: round(expected.failures.share, 4) },
      megapixels: round(expected.megapixels, 1),
      fetchSeconds: round(expected.fetchSeconds, 1),
      encodeSeconds: round(expected.encodeSeconds, 1),
      seconds: round(expected.seconds, 1),
      assumes: { ...plant, format },
    },
  };
}

function toTrial({ host, ms, result }: ProbeTrial & { host: string | null }): Trial {
  return { host, ms, result: result.ok ? { ok: true, ...result.value } : { ok: false } };
}

function viewHost({ host, imagesDistinct }: Stratum, trials: readonly ProbeTrial[]): ProbeView["hosts"] {
  if (trials.length === 0) return [];
  const failures = failuresOf(trials);
  const byCode = Map.groupBy(failures, ({ failure }) => failure.code);
  const codes = [...byCode].map(([code, same]) => ({ code, images: same.length, isRetried: same.some(({ failure }) => failure.retry) }));
  return [
    {
      host,
      imagesDistinct,
      tried: trials.length,
      failed: failures.length,
      failureShare: round(failures.length / trials.length, 4),
      codes: codes.toSorted((a, b) => b.images - a.images),
    },
  ];
}

function failuresOf(trials: readonly ProbeTrial[]) {
  return trials.flatMap(({ url, result }) => (result.ok ? [] : [{ url, failure: result.failure }]));
}

const EXAMPLES_MAX = 10;
const EXAMPLES_ALIKE_MAX = 3;

/** One of each host and code, then a second and a third. */
function pickExamples(trials: readonly ProbeTrial[]): ProbeView["examples"] {
  const alike = [...Map.groupBy(failuresOf(trials), ({ url, failure }) => `${failure.code} ${hostOf(url)}`).values()];
  const rounds = Array.from({ length: EXAMPLES_ALIKE_MAX }, (_, round) => alike.flatMap((failures) => failures.slice(round, round + 1)));
  return rounds
    .flat()
    .slice(0, EXAMPLES_MAX)
    .map(({ url, failure }) => ({ url: withoutQuery(url), code: failure.code, message: failure.detail }));
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
