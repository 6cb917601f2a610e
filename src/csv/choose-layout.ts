import type { Layout } from "../domain/batch/catalogue-facts.ts";
import type { CsvProblem } from "../domain/batch/csv-problem.ts";
import { DIALECTS } from "./dialects/all.ts";
import { matchesHeader, reduceHeader, type Dialect } from "./dialects/dialect.ts";
import { findColumns, indexHeader, namesIn, type ColumnWishes } from "./find-columns.ts";
import { RecordReader } from "./record-reader.ts";
import { cellsOf, isBlankRecord, isEmptyLine, scanRecord, type CsvRecord } from "./scan-record.ts";

const DELIMITERS = [",", ";", "\t", "|", "~"] as const;
/** Amazon's templates have two lines above the header; nobody is known to have nine. */
const HEADER_LINES = 10;
/** How many rows are looked at to see what a column holds. */
const SAMPLE_ROWS = 200;
/** `sep=;` in the first line tells Excel the delimiter. */
const SEPARATOR_LINE = /^\uFEFF?"?sep=([,;\t|~])"?(?=\r|\n)/i;

/** Chooses by the beginning of the file's text, or says what is wrong with it. `isWhole`: that is all of the file. */
export function chooseLayout(
  head: string,
  options: { wishes: ColumnWishes; columnsMax: number; isWhole: boolean },
): { ok: true; layout: Layout } | { ok: false; problems: CsvProblem[] } {
  const given = SEPARATOR_LINE.exec(head)?.[1];
  const candidates = (given === undefined ? DELIMITERS : [given]).map((delimiter) => readSample(head, delimiter, options));
  const best = candidates
    .map(findDialect)
    .filter((found) => found !== null)
    .toSorted((a, b) => b.score - a.score)[0];
  const fits = best && best.sample.header !== undefined;
  const sample = fits ? best.sample : pickSample(candidates, options.wishes);
  const dialect = fits ? best.dialect : null;
  if (!sample.header) return { ok: false, problems: [whyUnreadable(head, sample.delimiter, options)] };

  const header = cellsOf(sample.header);
  const found = findColumns({ header, line: sample.header.line, rows: sample.rows, dialect, wishes: options.wishes });
  if (!found.ok) return found;
  const layout = {
    delimiter: sample.delimiter,
    dialect: dialect?.name ?? null,
    headerLine: sample.header.line,
    header,
    columns: found.columns,
    baseUrl: dialect?.baseUrl ?? null,
  };
  return { ok: true, layout };
}

/** Why not even a header could be read. */
function whyUnreadable(head: string, delimiter: string, { columnsMax, isWhole }: { columnsMax: number; isWhole: boolean }): CsvProblem {
  const blank = {
    line: 1,
    code: "empty_file",
    message: `Expected a header line and products, got nothing but blank lines${isWhole ? "" : ` in the first ${head.length} characters`}.`,
  } as const;
  if (head.trim() === "") return { column: null, ...blank };
  const reader = new RecordReader({ delimiter, columnsMax, recordCharsMax: isWhole ? head.length : head.length - 1, lines: "physical" });
  const fault = reader.push(head).fault ?? reader.end().fault;
  return { column: null, ...(fault ?? blank) };
}

type Sample = {
  delimiter: string;
  /** The first rows, each of which can be the header. */
  tops: CsvRecord[];
  header: CsvRecord | undefined;
  rows: CsvRecord[];
  isTooWide: boolean;
};

function readSample(head: string, delimiter: string, { columnsMax, isWhole }: { columnsMax: number; isWhole: boolean }): Sample {
  const records: CsvRecord[] = [];
  let line = 1;
  let isTooWide = false;
  for (let from = 0; from < head.length && records.length < SAMPLE_ROWS + HEADER_LINES;) {
    if (isEmptyLine(head, from)) {
      line += 1;
      from += 1;
      continue;
    }
    const scan = scanRecord(head.slice(from), 0, { delimiter, columnsMax }, isWhole);
    isTooWide = scan.kind === "wide" && records.length === 0;
    if (scan.kind !== "record") break;
    const record = { line, text: head.slice(from, from + scan.end), spans: scan.spans };
    if (!isBlankRecord(record) && !(line === 1 && SEPARATOR_LINE.test(record.text))) records.push(record);
    line += scan.lineBreaks;
    from += scan.end;
  }
  return { delimiter, tops: records.slice(0, HEADER_LINES), header: records[0], rows: records.slice(1), isTooWide };
}

type Fit = { dialect: Dialect; sample: Sample; score: number };

/** The dialect that fits one of the first lines best. */
function findDialect(sample: Sample): Fit | null {
  let best: Fit | null = null;
  for (const [index, top] of sample.tops.entries()) {
    const headers = cellsOf(top).map(reduceHeader);
    for (const dialect of DIALECTS) {
      const score = scoreOf(dialect, headers);
      if (score > (best?.score ?? 0)) best = { dialect, score, sample: withHeader(sample, index) };
    }
  }
  return best;
}

/** The same sample with another of the first rows as its header; the rows above that are left out. */
function withHeader(sample: Sample, index: number): Sample {
  return { ...sample, header: sample.tops[index], rows: [...sample.tops.slice(index + 1), ...sample.rows.slice(HEADER_LINES - 1)] };
}

function scoreOf(dialect: Dialect, headers: readonly string[]): number {
  const has = (name: Dialect["id"][number]) => headers.some((header) => matchesHeader(header, name));
  if (!dialect.required.every((synonyms) => synonyms.some(has)) || dialect.excluding.some(has)) return 0;
  return 10 * dialect.required.length + dialect.strong.filter(has).length;
}

/**
 * For a file that fits no dialect: the delimiter and the header row that give most of the columns that the caller names, else the
 * delimiter that cuts most rows into as many cells as the header.
 */
function pickSample(samples: readonly Sample[], wishes: ColumnWishes): Sample {
  const wished = [...wishes.images, wishes.name, wishes.id].filter((name) => name !== null);
  const hitsIn = (record: CsvRecord) => {
    const find = indexHeader(cellsOf(record));
    return wished.flatMap((given) => namesIn(given, find)).filter((name) => find(name).length > 0).length;
  };
  const ranked = samples.map((given) => {
    const hitsOf = given.tops.map(hitsIn);
    const hits = Math.max(0, ...hitsOf);
    const sample = hits > 0 ? withHeader(given, hitsOf.indexOf(hits)) : given;
    const headers = sample.header ? cellsOf(sample.header) : [];
    const regular = sample.rows.filter(({ spans }) => spans.length / 2 === headers.length).length;
    const isUsed = headers.length > 1;
    return { sample, hits, regularity: isUsed ? (1 + regular) / (1 + sample.rows.length) : 0, cells: headers.length };
  });
  ranked.sort((a, b) => b.hits - a.hits || b.regularity - a.regularity || b.cells - a.cells);
  // Where no delimiter divides the header, most likely a fault in it keeps the right one from doing so.
  const best = ranked.find(({ cells, hits }) => cells > 1 || hits > 0)?.sample ?? samples.find(({ isTooWide }) => isTooWide) ?? samples[0];
  if (!best) throw new RangeError("expected at least one delimiter");
  return best;
}
