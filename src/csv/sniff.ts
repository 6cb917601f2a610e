import type { CsvProblemCode } from "../domain/csv-problem.ts";

const DELIMITERS = [",", ";", "\t", "|"] as const;

/** What people upload by mistake, by its first bytes, and what they can do instead. */
const NOT_CSV: { magic: number[]; what: string; wayOut: string }[] = [
  { magic: [0x50, 0x4b, 0x03, 0x04], what: "an Excel workbook or a ZIP archive", wayOut: "save it as “CSV UTF-8” and upload that" },
  { magic: [0xd0, 0xcf, 0x11, 0xe0], what: "an old Excel workbook", wayOut: "save it as “CSV UTF-8” and upload that" },
  { magic: [0x25, 0x50, 0x44, 0x46], what: "a PDF", wayOut: "export the table as CSV" },
  { magic: [0x89, 0x50, 0x4e, 0x47], what: "a PNG image", wayOut: "upload a CSV that lists the URLs of the images" },
  { magic: [0xff, 0xd8, 0xff], what: "a JPEG image", wayOut: "upload a CSV that lists the URLs of the images" },
  { magic: [0x47, 0x49, 0x46, 0x38], what: "a GIF image", wayOut: "upload a CSV that lists the URLs of the images" },
  { magic: [0x1f, 0x8b], what: "a gzip archive", wayOut: "unpack it and upload the CSV" },
];

export type SniffFault = { code: Extract<CsvProblemCode, "not_csv" | "unsupported_encoding">; message: string };

/** Looks at the first bytes of a file: what it is if no CSV, and whether a byte order mark stands before it. */
export function sniffStart(head: Buffer): { fault: SniffFault } | { bomBytes: 0 | 3 } {
  const known = NOT_CSV.find(({ magic }) => magic.every((byte, index) => head[index] === byte));
  if (known) return { fault: { code: "not_csv", message: `Expected a CSV file, got ${known.what}; ${known.wayOut}.` } };
  if ((head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff)) {
    return { fault: { code: "unsupported_encoding", message: "Expected UTF-8, got UTF-16; save the file as “CSV UTF-8” and upload that." } };
  }
  return { bomBytes: head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0 };
}

/** The delimiter that occurs most often outside quotes in the first line; a comma where none does. */
export function sniffDelimiter(firstLine: string): string {
  const outside = firstLine.replaceAll(/"(?:[^"]|"")*"?/g, "");
  const counts = DELIMITERS.map((delimiter) => outside.split(delimiter).length - 1);
  const best = Math.max(...counts);
  return best === 0 ? "," : (DELIMITERS[counts.indexOf(best)] ?? ",");
}

/** The first line as text, and how it ends; the head may end before it does. */
export function firstLineOf(head: Buffer): { text: string; newline: "\n" | "\r\n" | "\r" } {
  const text = head.toString("utf8").replace(/^[\r\n]+/, "");
  const found = /\r\n|\n|\r/.exec(text);
  const newline = found?.[0] === "\r\n" || found?.[0] === "\r" ? found[0] : "\n";
  return { text: found ? text.slice(0, found.index) : text, newline };
}
