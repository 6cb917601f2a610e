import type { Columns, ImageColumn } from "../domain/batch/catalogue-facts.ts";
import type { CsvProblem } from "../domain/batch/csv-problem.ts";
import { matchesHeader, reduceHeader, type Dialect } from "./dialects/dialect.ts";
import { cellOf, type CsvRecord } from "./scan-record.ts";

/** The columns that the caller names, by headers as they stand in the file or as reduceHeader() makes them. */
export type ColumnWishes = { images: readonly string[]; name: string | null; id: string | null };

/** What people call these columns where no dialect fits, in the order of preference. */
const ID_NAMES = [
  "sku",
  "productid",
  "productsku",
  "itemsku",
  "articlenumber",
  "artikelnummer",
  "artikelnr",
  "itemnumber",
  "reference",
  "handle",
  "id",
  "code",
  "productcode",
  "serialnumber",
  "serialno",
  "serial",
  "sno",
  "srno",
  "slno",
  "ean",
  "gtin",
  "mpn",
  "no",
  "number",
];
const PRODUCT_NAMES = [
  "productname",
  "name",
  "title",
  "producttitle",
  "itemname",
  "productnames",
  "product",
  "artikelname",
  "bezeichnung",
  "description",
];
/** Of several columns of URLs, those with such a word in their header hold images; the others lead to pages. */
const IMAGE_WORDS = /image|img|photo|foto|picture|pict|bild|thumb|gallery|im[aá]gen|immagin|afbeelding|zdj[eę]ci|obraz/;
/** Columns whose header ends like this hold images themselves, not something about them (`Photo credit`, `Image width`). */
const IMAGE_ENDING = new RegExp(String.raw`(?:${IMAGE_WORDS.source})(?:nail)?(?:e?s|e|en|er|i|a|ki|y)?(?:file)?(?:urls?|links?|src)?\d*$`);
const IMAGE_FILE = /\.(jpe?g|png|webp|gif|avif|tiff?|heic)(\?|#|$)/i;
const URL_START = /^\s*(https?:)?\/\//i;
/** A result CSV that is uploaded again has our outputs beside the images. */
const OWN_RESULT = /^outputimageurls/;
/** From this share of URLs among its filled cells on, a column is one of URLs. */
const URL_SHARE = 0.8;

type Given = { header: readonly string[]; line: number; rows: readonly CsvRecord[]; dialect: Dialect | null; wishes: ColumnWishes };

/** Finds the columns of id, name and images: as the caller names them, else by the dialect, else by their headers and what they hold. */
export function findColumns(given: Given): { ok: true; columns: Columns } | { ok: false; problems: CsvProblem[] } {
  const { header, line, dialect, wishes } = given;
  const reduced = header.map(reduceHeader);
  const problems: CsvProblem[] = [];
  const find = indexHeader(header);
  const wished = (text: string): number[] =>
    namesIn(text, find).flatMap((name) => {
      const found = find(name);
      if (found.length === 0)
        problems.push({
          line,
          column: name,
          code: "column_not_found",
          message: `Expected the column "${name.slice(0, 60)}" that the upload names, got ${listHeaders(header)}.`,
        });
      return found;
    });
  const known = imagesByDialect(reduced, dialect);
  const asKnown = (index: number): ImageColumn => known?.find((column) => column.index === index) ?? { index, cell: "list" };
  const images =
    wishes.images.length > 0 ? [...new Set(wishes.images.flatMap(wished))].map(asKnown) : (known ?? imagesByContent(given, reduced));
  const columns: Columns = {
    images: images.toSorted((a, b) => a.index - b.index),
    name: wishes.name === null ? byNames(reduced, dialect?.productName ?? PRODUCT_NAMES) : wished(wishes.name).slice(0, 1),
    id: wishes.id === null ? byNames(reduced, dialect?.id ?? ID_NAMES) : wished(wishes.id).slice(0, 1),
  };
  if (problems.length === 0) problems.push(...(isUndivided(given) ? [undivided(header, line)] : findFaults(header, line, columns)));
  return problems.length > 0 ? { ok: false, problems } : { ok: true, columns };
}

/** The columns of a name that a caller gives: those with this header as it stands in the file, else as reduceHeader() makes it. */
type FindNamed = (name: string) => number[];

/** Builds tables, since a caller can look up some ten thousand names among a thousand columns. */
export function indexHeader(header: readonly string[]): FindNamed {
  const indexes = Array.from(header.keys());
  const exact = Map.groupBy(indexes, (index) => (header[index] ?? "").trim());
  const reduced = Map.groupBy(indexes, (index) => reduceHeader(header[index] ?? ""));
  reduced.delete("");
  return (name) => exact.get(name.trim()) ?? reduced.get(reduceHeader(name)) ?? [];
}

/** The names in a text that a caller gives: it is a list with commas, unless it is a header as a whole. */
export function namesIn(given: string, find: FindNamed): string[] {
  if (!given.includes(",") || find(given).length > 0) return [given];
  return given.split(",").filter((part) => part.trim() !== "");
}

function byNames(reduced: readonly string[], names: Dialect["id"]): number[] {
  return names.flatMap((name) => {
    const index = reduced.findIndex((cell) => matchesHeader(cell, name));
    return index === -1 ? [] : [index];
  });
}

function imagesByDialect(reduced: readonly string[], dialect: Dialect | null): Columns["images"] | null {
  if (!dialect) return null;
  return reduced.flatMap((cell, index) => {
    const found = dialect.images.find(
      ({ header, unless }) =>
        matchesHeader(cell, header) && !(unless !== undefined && reduced.some((other) => matchesHeader(other, unless))),
    );
    return found ? [{ index, cell: found.cell, ...(found.blank === undefined ? {} : { blank: found.blank }) }] : [];
  });
}

function imagesByContent({ header, rows }: Given, reduced: readonly string[]): Columns["images"] {
  const looks = header.map((_, index) => lookAt(rows, index));
  const urls = looks.flatMap((look, index) =>
    look.filled > 0 && look.urls >= URL_SHARE * look.filled && !OWN_RESULT.test(reduced[index] ?? "") ? [index] : [],
  );
  const images = urls.filter(
    (index) => IMAGE_WORDS.test(reduced[index] ?? "") || (looks[index]?.files ?? 0) * 2 >= (looks[index]?.urls ?? 1),
  );
  // Where the first rows hold no URL (they are paths relative to baseUrl, or empty for long) only the header can tell.
  const named = reduced.flatMap((cell, index) =>
    IMAGE_WORDS.test(cell) && !OWN_RESULT.test(cell) && !/alt|text|count|position|title|caption|id$/.test(cell) ? [index] : [],
  );
  const chosen = images.length > 0 ? images : urls.length > 0 ? urls : named;
  const empty = reduced.flatMap((_, index) => (looks[index]?.filled === 0 ? [index] : []));
  return [...new Set([...chosen, ...findLater(reduced, empty, chosen)])].map((index) => ({ index, cell: "list" }));
}

/**
 * Of the columns that are empty in all rows that were looked at, those that are called like images, as in a file whose first
 * products have one image each. Left out, the images further down in them would be lost without a word.
 */
function findLater(reduced: readonly string[], empty: readonly number[], chosen: readonly number[]): number[] {
  const stemOf = (index: number) => reduced[index]?.replaceAll(/\d+/g, "") ?? "";
  const stems = new Set(chosen.map(stemOf).filter((stem) => stem !== ""));
  return empty.filter((index) => {
    const header = reduced[index] ?? "";
    const isAlone = reduced.indexOf(header) === reduced.lastIndexOf(header);
    return isAlone && !OWN_RESULT.test(header) && (stems.has(stemOf(index)) || IMAGE_ENDING.test(header));
  });
}

function lookAt(rows: readonly CsvRecord[], index: number): { filled: number; urls: number; files: number } {
  const cells = rows.map((row) => cellOf(row, index)).filter((cell) => cell.trim() !== "");
  const urls = cells.filter((cell) => URL_START.test(cell));
  return { filled: cells.length, urls: urls.length, files: urls.filter((cell) => IMAGE_FILE.test(cell.trim())).length };
}

/** Where there is one column, with URLs amid other text, the cells are divided by something that we did not look for. */
function isUndivided({ header, rows, dialect }: Given): boolean {
  const cells = header.length === 1 && !dialect ? rows.map((row) => cellOf(row, 0).trim()).filter((cell) => cell !== "") : [];
  return cells.length > 0 && cells.every((cell) => /https?:\/\//i.test(cell) && !URL_START.test(cell));
}

function undivided(header: readonly string[], line: number): CsvProblem {
  return {
    line,
    column: null,
    code: "no_image_column",
    message: `Expected columns divided by a comma, semicolon, tab, | or ~ (by the one that \`sep=\` names, where line 1 has that), got one column: ${listHeaders(header)}; save the file as “CSV UTF-8” and upload that.`,
  };
}

function findFaults(header: readonly string[], line: number, columns: Columns): CsvProblem[] {
  if (header.some((cell) => URL_START.test(cell))) {
    return [
      {
        line,
        column: null,
        code: "missing_header",
        message: `Expected a header line, got a URL in line ${line}; put a line with the columns' names above it, for example ${EXAMPLE}.`,
      },
    ];
  }
  if (columns.images.length === 0) {
    return [
      {
        line,
        column: null,
        code: "no_image_column",
        message: `Expected a column of image URLs, got ${listHeaders(header)}; name it with imageColumns, or use the header ${EXAMPLE}.`,
      },
    ];
  }
  // Only the columns that we write to must have names of their own; among the others two of one name do no harm.
  const seen = new Map<string, number>();
  return columns.images.flatMap(({ index }) => {
    const name = (header[index] ?? "").trim().toLowerCase();
    const first = seen.get(name);
    if (first === undefined) seen.set(name, index);
    return first === undefined
      ? []
      : [
          {
            line,
            column: header[index] ?? "",
            code: "duplicate_column" as const,
            message: `Expected one column "${(header[index] ?? "").slice(0, 60).toWellFormed()}", got two (columns ${first + 1} and ${index + 1}), and their URLs could not be told apart in the result; rename or remove one.`,
          },
        ];
  });
}

const EXAMPLE = "`S. No,Product Name,Input Image Urls`";
const HEADERS_SHOWN = 20;

function listHeaders(header: readonly string[]): string {
  const shown = header
    .slice(0, HEADERS_SHOWN)
    .map((cell) => `"${cell.slice(0, 40).toWellFormed()}"`)
    .join(", ");
  return header.length > HEADERS_SHOWN ? `${shown} and ${header.length - HEADERS_SHOWN} more` : shown;
}
