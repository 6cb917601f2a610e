import type { CsvProblemCode } from "../domain/csv-problem.ts";

export type GuardedRecord = { /** Physical line it begins at. */ line: number; isLastCellQuoted: boolean };
export type GuardFault = { line: number; code: Extract<CsvProblemCode, "unclosed_quote" | "stray_quote" | "row_too_long" | "not_csv">; message: string };
/** Whole records, and what is wrong behind them; after a fault nothing more can be read. */
export type RecordPage = { bytes: Buffer; records: GuardedRecord[]; fault: GuardFault | null };

const [CELL_START, UNQUOTED, QUOTED, AFTER_QUOTE, AFTER_QUOTE_SPACE, MAYBE_BLANK] = [0, 1, 2, 3, 4, 5];
const [LF, CR, QUOTE, SPACE, TAB, VT, FF, NUL] = [0x0a, 0x0d, 0x22, 0x20, 0x09, 0x0b, 0x0c, 0x00];
/** So many bytes of white space before a quote: more of it is text. */
const BLANK_BYTES_MAX = 64;

/**
 * Stands in front of fast-csv, which has no cap on a record and parses its buffer again for every chunk (2 MB
 * behind an unclosed quote cost it 1.8 s). Follows quotes and lines byte by byte, hands on whole records only,
 * and knows for each the physical line it began at and whether its last cell was quoted.
 */
export class RecordGuard {
  readonly #delimiter: number;
  readonly #recordBytesMax: number;
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes of the open record that were looked at already: they are not scanned twice. */
  #scanned = 0;
  #state = CELL_START;
  #line = 1;
  #recordLine = 1;
  #quoteLine = 1;
  #isAfterCr = false;
  /** A cell that began with bytes that can be white space beyond ASCII (a no-break space, say). */
  #blank: number[] = [];

  constructor(options: { delimiter: string; recordBytesMax: number }) {
    this.#delimiter = options.delimiter.charCodeAt(0);
    this.#recordBytesMax = options.recordBytesMax;
  }

  /** Takes a chunk and gives the records that it completes. */
  push(chunk: Buffer): RecordPage {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const records: GuardedRecord[] = [];
    let start = 0;
    for (let at = this.#scanned; at < bytes.length; at += 1) {
      const byte = bytes[at] ?? NUL;
      if (this.#isAfterCr) {
        this.#isAfterCr = false;
        if (byte === LF) {
          // The second half of CRLF belongs to the line break before it.
          if (this.#state !== QUOTED && start === at) start = at + 1;
          continue;
        }
      }
      if (byte === LF || byte === CR) {
        this.#line += 1;
        this.#isAfterCr = byte === CR;
        if (this.#state === QUOTED) continue;
        records.push(this.#endRecord());
        start = at + 1;
        continue;
      }
      const fault = this.#follow(byte, at - start);
      if (fault) return { bytes: bytes.subarray(0, start), records, fault };
    }
    this.#rest = bytes.subarray(start);
    this.#scanned = this.#rest.length;
    return { bytes: bytes.subarray(0, start), records, fault: null };
  }

  /** The last record, where the file does not end with a line break. */
  end(): RecordPage {
    if (this.#state === QUOTED) return { bytes: Buffer.alloc(0), records: [], fault: this.#unclosed("is never closed") };
    return { bytes: this.#rest, records: this.#rest.length === 0 ? [] : [this.#endRecord()], fault: null };
  }

  #endRecord(): GuardedRecord {
    const record = { line: this.#recordLine, isLastCellQuoted: this.#state === AFTER_QUOTE || this.#state === AFTER_QUOTE_SPACE };
    this.#recordLine = this.#line;
    this.#state = CELL_START;
    return record;
  }

  /** What a byte within a record makes of the state; the rules are fast-csv's own, spaces around quotes included. */
  #follow(byte: number, recordBytes: number): GuardFault | null {
    if (byte === NUL) return { line: this.#line, code: "not_csv", message: `Expected text, got a NUL byte in line ${this.#line}; save the file as CSV UTF-8.` };
    if (recordBytes >= this.#recordBytesMax) return this.#tooLong();
    switch (this.#state) {
      case QUOTED:
        if (byte === QUOTE) this.#state = AFTER_QUOTE;
        return null;
      case AFTER_QUOTE:
        if (byte === QUOTE) this.#state = QUOTED;
        else return this.#leaveQuotes(byte);
        return null;
      case AFTER_QUOTE_SPACE:
        return this.#leaveQuotes(byte);
      case UNQUOTED:
        if (byte === this.#delimiter) this.#state = CELL_START;
        return null;
      default:
        this.#enterCell(byte);
        return null;
    }
  }

  #leaveQuotes(byte: number): GuardFault | null {
    if (byte === this.#delimiter) this.#state = CELL_START;
    else if (byte === SPACE || byte === TAB) this.#state = AFTER_QUOTE_SPACE;
    else return this.#stray();
    return null;
  }

  /** fast-csv takes a quote for one also behind any white space, whatever its encoding. */
  #enterCell(byte: number): void {
    if (byte === this.#delimiter) {
      this.#state = CELL_START;
    } else if (byte === QUOTE) {
      const isQuoted = this.#state === CELL_START || Buffer.from(this.#blank).toString().trim() === "";
      this.#state = isQuoted ? QUOTED : UNQUOTED;
      this.#quoteLine = this.#line;
    } else if (byte >= 0x80 || this.#state === MAYBE_BLANK || byte === VT || byte === FF) {
      this.#enterBlank(byte);
    } else if (byte !== SPACE && byte !== TAB) this.#state = UNQUOTED;
  }

  #enterBlank(byte: number): void {
    if (this.#state === CELL_START) this.#blank = [];
    this.#blank.push(byte);
    const isText = (byte > SPACE && byte < 0x80) || this.#blank.length > BLANK_BYTES_MAX;
    this.#state = isText ? UNQUOTED : MAYBE_BLANK;
  }

  #stray(): GuardFault {
    return { line: this.#line, code: "stray_quote", message: `Expected a delimiter or the end of the line after the closing quote in line ${this.#line}, got more text; double a quote that is meant as text.` };
  }

  #tooLong(): GuardFault {
    if (this.#state === QUOTED) return this.#unclosed(`is not closed within ${this.#recordBytesMax} bytes`);
    return { line: this.#recordLine, code: "row_too_long", message: `The row that begins in line ${this.#recordLine} has more than the ${this.#recordBytesMax} bytes a row may have; is the delimiter or the line ending another one?` };
  }

  #unclosed(how: string): GuardFault {
    return { line: this.#quoteLine, code: "unclosed_quote", message: `The quote opened in line ${this.#quoteLine} ${how}; close it, or double a quote that is meant as text.` };
  }
}
