/** Writes values one after the other in COPY's binary format (https://www.postgresql.org/docs/current/sql-copy.html). */
export type RowWriter = {
  /** Begins a row; its values must need no more than `bytesMax`. */
  begin(columns: number, bytesMax: number): void;
  uuid(value: Buffer): void;
  int(value: number): void;
  text(value: string): void;
  texts(values: readonly string[]): void;
};

type RowPieces = RowWriter & {
  /** Takes the pieces that are full; with `isLast` also the last one, and the end of the data. */
  take(isLast: boolean): Buffer[];
};

/** How much goes to the server at a time. Each piece is a message, all of which the server holds in memory. */
const PIECE_BYTES = 128 * 1024;
const HEADER = Buffer.from("PGCOPY\n\u00FF\r\n\0\0\0\0\0\0\0\0\0", "latin1");
const TRAILER = Buffer.from([0xff, 0xff]);
/** `text` in pg_type. */
const TEXT_OID = 25;
const INT_BYTES = 4;
const UUID_BYTES = 16;
/** The head of an array: its dimensions, whether it has nulls, the type, the length and the first index. */
const ARRAY_BYTES = 5 * INT_BYTES;
/** A UTF-16 unit takes three bytes of UTF-8 at most. */
const CHAR_BYTES_MAX = 3;

/**
 * The server reads a million products in 1.3 s of its CPU in this format, where there is nothing to escape, to parse or to
 * look up, and in 2.2 s in the text format.
 */
export function createRowPieces(): RowPieces {
  let full: Buffer[] = [];
  let piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  let at = HEADER.copy(piece);
  const int = (value: number) => (at = piece.writeInt32BE(value, at));
  const text = (value: string) => {
    const bytes = piece.write(value, at + INT_BYTES);
    at = piece.writeInt32BE(bytes, at) + bytes;
  };
  const makeRoom = (bytes: number) => {
    if (at + bytes <= piece.length) return;
    full.push(piece.subarray(0, at));
    // Pieces are not reused, since nothing tells when one has been sent.
    piece = Buffer.allocUnsafeSlow(Math.max(PIECE_BYTES, bytes));
    at = 0;
  };
  return {
    begin(columns, bytesMax) {
      makeRoom(bytesMax + 2);
      at = piece.writeInt16BE(columns, at);
    },
    uuid(value) {
      int(UUID_BYTES);
      at += value.copy(piece, at);
    },
    int(value) {
      int(INT_BYTES);
      int(value);
    },
    text,
    texts(values) {
      const start = at;
      at += INT_BYTES;
      for (const header of values.length === 0 ? [0, 0, TEXT_OID] : [1, 0, TEXT_OID, values.length, 1]) int(header);
      for (const value of values) text(value);
      piece.writeInt32BE(at - start - INT_BYTES, start);
    },
    take(isLast) {
      if (isLast) {
        makeRoom(TRAILER.length);
        at += TRAILER.copy(piece, at);
        full.push(piece.subarray(0, at));
      }
      const taken = full;
      full = [];
      return taken;
    },
  };
}

/** How many bytes a row takes at most, with so many characters in all of its texts. */
export function rowBytesMax(columns: number, chars: number, arrayItems: number): number {
  return columns * INT_BYTES + UUID_BYTES + columns * INT_BYTES + ARRAY_BYTES + arrayItems * INT_BYTES + chars * CHAR_BYTES_MAX;
}
