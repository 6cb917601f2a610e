import { countLineBreaks, isEmptyLine, scanRecord, type CsvRecord, type RecordFault, type Scan, type ScanRules } from "./scan-record.ts";

type RecordRules = ScanRules & {
  recordCharsMax: number;
  /** `rows` numbers records instead of lines, from 0: for files that were made from JSON. */
  lines: "physical" | "rows";
};

/** Cuts text that comes in pieces into whole records of limited length; after a fault nothing more can be read. */
export class RecordReader {
  readonly #rules: RecordRules;
  #rest = "";
  /** How many characters must be there before it scans again, so that an open record is not scanned anew for every piece. */
  #wanted = 0;
  #line: number;

  constructor(rules: RecordRules) {
    this.#rules = rules;
    this.#line = rules.lines === "rows" ? 0 : 1;
  }

  /** The records that a piece completes. */
  push(piece: string): { records: CsvRecord[]; fault: RecordFault | null } {
    this.#rest += piece;
    return this.#rest.length < this.#wanted ? { records: [], fault: null } : this.#read(false);
  }

  /** The records that are left: those that pieces so far were too short to scan for, and a last one without a line break. */
  end(): { records: CsvRecord[]; fault: RecordFault | null } {
    return this.#read(true);
  }

  #read(isLast: boolean): { records: CsvRecord[]; fault: RecordFault | null } {
    const text = this.#rest;
    const { recordCharsMax, lines } = this.#rules;
    const records: CsvRecord[] = [];
    let from = 0;
    while (from < text.length) {
      if (isEmptyLine(text, from)) {
        records.push({ line: this.#line, text: "\n", spans: EMPTY_SPANS });
        this.#line += 1;
        from += 1;
        continue;
      }
      const scan = scanRecord(text, from, this.#rules, isLast);
      if (scan.kind === "open" && !isLast && text.length - from <= recordCharsMax) break;
      if (scan.kind !== "record" || scan.end - from > recordCharsMax) return { records, fault: this.#judge(scan, text, from) };
      records.push({ line: this.#line, text: text.slice(from, scan.end), spans: from === 0 ? scan.spans : shift(scan.spans, from) });
      this.#line += lines === "rows" ? 1 : scan.lineBreaks;
      from = scan.end;
    }
    this.#rest = from === 0 ? text : text.slice(from);
    this.#wanted = Math.min(2 * this.#rest.length, recordCharsMax + 1);
    return { records, fault: null };
  }

  /** Judges by no more of the record than it may have, so that the fault does not depend on how the text was cut into pieces. */
  #judge(scan: Scan, text: string, from: number): RecordFault {
    const end = from + this.#rules.recordCharsMax + 1;
    if (text.length < end) return this.#faultOf(scan, text, from);
    const capped = text.slice(0, end);
    return this.#faultOf(scanRecord(capped, from, this.#rules, false), capped, from);
  }

  #faultOf(scan: Scan, text: string, from: number): RecordFault {
    const { recordCharsMax, columnsMax } = this.#rules;
    switch (scan.kind) {
      case "wide":
        return {
          line: this.#line,
          code: "too_many_columns",
          message: `Expected at most ${columnsMax} cells in a row, got more in line ${this.#line}; is the delimiter another one?`,
        };
      case "stray": {
        const line = this.#lineAt(text, from, scan.at);
        return {
          line,
          code: "stray_quote",
          message: `Expected a delimiter or the end of the line after the closing quote in line ${line}, got more text; double a quote that is meant as text.`,
        };
      }
      case "open": {
        if (scan.quoteAt === null) return this.#tooLong();
        const line = this.#lineAt(text, from, scan.quoteAt);
        const how = text.length - from > recordCharsMax ? `is not closed within ${recordCharsMax} characters` : "is never closed";
        return {
          line,
          code: "unclosed_quote",
          message: `The quote opened in line ${line} ${how}; close it, or double a quote that is meant as text.`,
        };
      }
      case "record":
        return this.#tooLong();
      default:
        return scan satisfies never;
    }
  }

  #tooLong(): RecordFault {
    return {
      line: this.#line,
      code: "row_too_long",
      message: `The row that begins in line ${this.#line} has more than the ${this.#rules.recordCharsMax} characters a row may have; is the delimiter or the line ending another one?`,
    };
  }

  #lineAt(text: string, from: number, at: number): number {
    return this.#rules.lines === "rows" ? this.#line : this.#line + countLineBreaks(text, from, at);
  }
}

/** Shared by all empty lines: a file can have millions, and each would have an array of its own. */
const EMPTY_SPANS: CsvRecord["spans"] = [0, 0];

function shift(spans: number[], by: number): number[] {
  for (let index = 0; index < spans.length; index += 1) spans[index] = (spans[index] ?? 0) - by;
  return spans;
}
