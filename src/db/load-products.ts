import { once } from "node:events";
import { from as copyFrom, type CopyStreamQuery } from "pg-copy-streams";
import type { Tx } from "./connection/connect.ts";
import { createRowPieces, rowBytesMax, type RowWriter } from "./copy-rows.ts";

export type ProductRow = {
  line: number;
  firstOrdinal: number;
  serial: string;
  name: string;
  slug: string;
  firstNumber: number;
  urls: readonly string[];
  record: string;
};

type ProductLoader = {
  /** Resolves when the server is ready for more. */
  write(rows: readonly ProductRow[]): Promise<void>;
  end(): Promise<void>;
  /** Ends the COPY without its rows, so that the transaction can be rolled back. */
  abort(): void;
};

/** COPY, which loads a million rows several times faster than INSERT. */
export function loadProducts(tx: Tx, batchId: string): ProductLoader {
  const stream: CopyStreamQuery = tx.client.query(
    copyFrom("copy product (batch_id, line, first_ordinal, serial, name, slug, first_number, urls, record) from stdin (format binary)"),
  );
  const failed = new Promise<never>((_, reject) => stream.once("error", reject));
  failed.catch(() => {});
  // An aborted stream emits its error again; without a listener that would end the process.
  stream.on("error", () => {});
  const id = Buffer.from(batchId.replaceAll("-", ""), "hex");
  const pieces = createRowPieces();
  const send = async (isLast: boolean) => {
    for (const piece of pieces.take(isLast)) {
      if (!stream.write(piece)) await Promise.race([once(stream, "drain"), failed]);
    }
  };
  return {
    async write(rows) {
      for (const row of rows) writeRow(pieces, id, row);
      await send(false);
    },
    async end() {
      await send(true);
      stream.end();
      await Promise.race([once(stream, "finish"), failed]);
    },
    abort() {
      stream.destroy(new Error("the load was given up"));
    },
  };
}

const COLUMNS = 9;

function writeRow(to: RowWriter, batchId: Buffer, { line, firstOrdinal, serial, name, slug, firstNumber, urls, record }: ProductRow): void {
  let chars = serial.length + name.length + slug.length + record.length;
  for (const url of urls) chars += url.length;
  to.begin(COLUMNS, rowBytesMax(COLUMNS, chars, urls.length));
  to.uuid(batchId);
  to.int(line);
  to.int(firstOrdinal);
  to.text(serial);
  to.text(name);
  to.text(slug);
  to.int(firstNumber);
  to.texts(urls);
  to.text(record);
}
