import type { CsvProblemCode } from "../domain/batch/csv-problem.ts";

/** One record as it stands in the file. */
export type CsvRecord = {
  /** The physical line that it begins in. */
  line: number;
  /** As it came, line break included. */
  text: string;
  /** Where each cell's content begins and ends in `text`, quotes left out: [start, end, start, end, …]. */
  spans: number[];
};

export type RecordFault = {
  line: number;
  code: Extract<CsvProblemCode, "unclosed_quote" | "stray_quote" | "row_too_long" | "too_many_columns">;
  message: string;
};

const [TAB, LF, CR, SPACE, QUOTE, NO_BREAK_SPACE] = [0x09, 0x0a, 0x0d, 0x20, 0x22, 0xa0];

export type Scan =
  | { kind: "record"; end: number; spans: number[]; lineBreaks: number }
  /** The text ends before the record does; `quoteAt` is where a quote was opened and not closed. */
  | { kind: "open"; quoteAt: number | null }
  | { kind: "stray"; at: number }
  | { kind: "wide" };

export type ScanRules = { delimiter: string; columnsMax: number };

/**
 * Scans the record that begins at `from`, as RFC 4180 has it, and as the world writes it: with other delimiters, LF, CRLF and
 * CR mixed, blanks around quotes, and quotes within an unquoted cell, which are text.
 *
 * It is one pass over character codes that allocates a list of offsets and nothing else: cells are cut out only where
 * they are read. Text behind a closing quote is a fault: what it was meant to be would be a guess.
 */
export function scanRecord(text: string, from: number, { delimiter, columnsMax }: ScanRules, isLast: boolean): Scan {
  const delimiterCode = delimiter.charCodeAt(0);
  const length = text.length;
  const spans: number[] = [];
  let lineBreaks = 0;
  let at = from;
  for (;;) {
    if (spans.length >= 2 * columnsMax) return { kind: "wide" };
    let start = at;
    let code = text.charCodeAt(at);
    while (isBlank(code) && code !== delimiterCode) code = text.charCodeAt(++at);
    if (code === QUOTE) {
      start = at + 1;
      const close = findClosingQuote(text, start);
      if (close === -1) return { kind: "open", quoteAt: at };
      lineBreaks += countLineBreaks(text, start, close);
      spans.push(start, close);
      at = close + 1;
      code = text.charCodeAt(at);
      while (isBlank(code) && code !== delimiterCode) code = text.charCodeAt(++at);
      if (at < length && code !== delimiterCode && code !== LF && code !== CR) return { kind: "stray", at };
    } else {
      while (at < length && code !== delimiterCode && code !== LF && code !== CR) code = text.charCodeAt(++at);
      spans.push(start, at);
    }
    if (at >= length) return isLast ? { kind: "record", end: length, spans, lineBreaks } : { kind: "open", quoteAt: null };
    if (code === delimiterCode) {
      at += 1;
      continue;
    }
    if (code === CR && at + 1 === length && !isLast) return { kind: "open", quoteAt: null };
    const end = code === CR && text.charCodeAt(at + 1) === LF ? at + 2 : at + 1;
    return { kind: "record", end, spans, lineBreaks: lineBreaks + 1 };
  }
}

/** White space that may stand around quotes, of any script, as in fast-csv. Not a line break, which ends the cell. */
function isBlank(code: number): boolean {
  if (code < NO_BREAK_SPACE) return code === SPACE || (code >= TAB && code < CR && code !== LF);
  return /\s/.test(String.fromCharCode(code));
}

/** Where the first quote is that is not doubled, or -1. */
function findClosingQuote(text: string, from: number): number {
  let at = text.indexOf('"', from);
  while (at !== -1 && text.charCodeAt(at + 1) === QUOTE) at = text.indexOf('"', at + 2);
  return at;
}

/** Whether the record that begins here is nothing but a line feed, told without a scan. */
export function isEmptyLine(text: string, at: number): boolean {
  return text.charCodeAt(at) === LF;
}

/** LF, CRLF and CR count one each. */
export function countLineBreaks(text: string, from: number, to: number): number {
  let count = 0;
  for (let at = from; at < to; at += 1) {
    const code = text.charCodeAt(at);
    if (code === LF || (code === CR && (at + 1 === to || text.charCodeAt(at + 1) !== LF))) count += 1;
  }
  return count;
}

/** Cell `index` of a record, quotes resolved; empty where the row has fewer cells. */
export function cellOf({ text, spans }: Pick<CsvRecord, "text" | "spans">, index: number): string {
  const start = spans[2 * index];
  if (start === undefined) return "";
  const content = text.slice(start, spans[2 * index + 1]);
  return isQuoted(text, start) && content.includes('"') ? content.replaceAll('""', '"') : content;
}

export function cellsOf(record: Pick<CsvRecord, "text" | "spans">): string[] {
  return Array.from({ length: record.spans.length / 2 }, (_, index) => cellOf(record, index));
}

/** Whether a cell whose content begins at `start` is quoted: a quote stands before it then, never before an unquoted one. */
export function isQuoted(text: string, start: number): boolean {
  return start > 0 && text.charCodeAt(start - 1) === QUOTE;
}

/** Whether no cell holds anything but white space. */
export function isBlankRecord({ text, spans }: Pick<CsvRecord, "text" | "spans">): boolean {
  for (let index = 0; index < spans.length; index += 2) {
    const [start = 0, end = 0] = [spans[index], spans[index + 1]];
    if (end > start && (isVisible(text.charCodeAt(start)) || text.slice(start, end).trim() !== "")) return false;
  }
  return true;
}

/** Cheap, and enough for most rows, whose first character is visible ASCII. */
function isVisible(code: number): boolean {
  return code > SPACE && code < NO_BREAK_SPACE;
}

/** The line break at a record's end; those within a cell of several lines can be others. */
export function lineBreakOf(record: string): "\n" | "\r\n" | "\r" {
  const found = /(\r\n|\n|\r)$/.exec(record)?.[0];
  return found === "\r\n" || found === "\r" ? found : "\n";
}
