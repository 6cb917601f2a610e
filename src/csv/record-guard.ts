import type { CsvProblemCode } from "../domain/csv-problem.ts";

/**
 * Stands in front of fast-csv, which has no cap on a record and parses its buffer again for every chunk (2 MB
 * behind an unclosed quote cost it 1.8 s). Follows quotes and lines byte by byte, hands on whole records only,
 * and knows for each the physical line it began at and whether its last cell was quoted.
 */
export type RecordPage = { bytes: Buffer; records: { line: number; isLastCellQuoted: boolean }[] };
export type GuardFault = { line: number; code: Extract<CsvProblemCode, "unclosed_quote" | "row_too_long" | "not_csv">; message: string };
export type RecordGuard = {
  /** The records that the chunk completes, or what is wrong; after a fault nothing more can be read. */
  push(chunk: Buffer): RecordPage | GuardFault;
  end(): RecordPage | GuardFault;
};

const [CELL_START, UNQUOTED, QUOTED, AFTER_QUOTE] = [0, 1, 2, 3];
const [LF, CR, QUOTE, SPACE, NUL] = [0x0a, 0x0d, 0x22, 0x20, 0x00];

export function createRecordGuard(options: { delimiter: string; recordBytesMax: number }): RecordGuard {
  const delimiter = options.delimiter.charCodeAt(0);
  let rest: Buffer = Buffer.alloc(0);
  let state = CELL_START;
  let line = 1;
  let recordLine = 1;
  let quoteLine = 1;
  let isLastCellQuoted = false;
  let isAfterCr = false;
  /** Bytes of the open record that were looked at already: they are not scanned twice. */
  let scanned = 0;

  const scan = (bytes: Buffer): { end: number; records: RecordPage["records"] } | GuardFault => {
    const records: RecordPage["records"] = [];
    let start = 0;
    let at = scanned;
    for (; at < bytes.length; at += 1) {
      const byte = bytes[at];
      if (isAfterCr) {
        isAfterCr = false;
        if (byte === LF) {
          // The second half of CRLF belongs to the line break before it.
          if (state !== QUOTED && start === at) start = at + 1;
          continue;
        }
      }
      if (byte === NUL) return { line, code: "not_csv", message: `Expected text, got a NUL byte in line ${line}; save the file as CSV UTF-8.` };
      if (byte === LF || byte === CR) {
        line += 1;
        isAfterCr = byte === CR;
        if (state === QUOTED) continue;
        records.push({ line: recordLine, isLastCellQuoted: state === AFTER_QUOTE || (state === CELL_START && isLastCellQuoted) });
        start = at + 1;
        recordLine = line;
        state = CELL_START;
        isLastCellQuoted = false;
        continue;
      }
      if (at - start >= options.recordBytesMax) return tooLong();
      if (state === QUOTED) {
        if (byte === QUOTE) state = AFTER_QUOTE;
      } else if (byte === delimiter) {
        state = CELL_START;
        isLastCellQuoted = false;
      } else if (state === CELL_START) {
        if (byte === QUOTE) {
          state = QUOTED;
          quoteLine = line;
        } else if (byte !== SPACE && byte !== 0x09) state = UNQUOTED;
      } else if (state === AFTER_QUOTE && byte === QUOTE) {
        state = QUOTED;
      }
    }
    scanned = at - start;
    return { end: start, records };
  };

  const tooLong = (): GuardFault =>
    state === QUOTED
      ? { line: quoteLine, code: "unclosed_quote", message: `The quote opened in line ${quoteLine} is not closed within ${options.recordBytesMax} bytes; close it, or double a quote that is meant as text.` }
      : { line: recordLine, code: "row_too_long", message: `The row that begins in line ${recordLine} has more than the ${options.recordBytesMax} bytes a row may have; is the delimiter or the line ending another one?` };

  return {
    push(chunk) {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const found = scan(bytes);
      if ("code" in found) return found;
      rest = bytes.subarray(found.end);
      return { bytes: bytes.subarray(0, found.end), records: found.records };
    },
    end() {
      if (state === QUOTED) {
        return { line: quoteLine, code: "unclosed_quote", message: `The quote opened in line ${quoteLine} is never closed; close it, or double a quote that is meant as text.` };
      }
      if (rest.length === 0) return { bytes: rest, records: [] };
      return { bytes: rest, records: [{ line: recordLine, isLastCellQuoted: state === AFTER_QUOTE }] };
    },
  };
}
