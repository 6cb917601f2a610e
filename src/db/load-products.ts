import { once } from "node:events";
import { from as copyFrom, type CopyStreamQuery } from "pg-copy-streams";
import type { Tx } from "./connect.ts";

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

export type ProductLoader = {
  /** Takes a page of rows; resolves when the server keeps up. */
  write(rows: readonly ProductRow[]): Promise<void>;
  end(): Promise<void>;
  /** Ends the COPY without its rows, so that the transaction can be rolled back. */
  abort(): void;
};

/** COPY in the text format, which loads a million rows several times faster than INSERT. */
export function loadProducts(tx: Tx, batchId: string): ProductLoader {
  const stream: CopyStreamQuery = tx.client.query(
    copyFrom("copy product (batch_id, line, first_ordinal, serial, name, slug, first_number, urls, record) from stdin"),
  );
  const failed = new Promise<never>((_, reject) => stream.once("error", reject));
  failed.catch(() => {});
  // An aborted stream tells its error once more; unheard, that would end the process.
  stream.on("error", () => {});
  return {
    async write(rows) {
      const text = rows.map((row) => copyLine(batchId, row)).join("");
      if (!stream.write(text)) await Promise.race([once(stream, "drain"), failed]);
    },
    async end() {
      stream.end();
      await Promise.race([once(stream, "finish"), failed]);
    },
    abort() {
      stream.destroy(new Error("the load was given up"));
    },
  };
}

function copyLine(batchId: string, row: ProductRow): string {
  const fields = [
    batchId,
    String(row.line),
    String(row.firstOrdinal),
    escapeText(row.serial),
    escapeText(row.name),
    row.slug,
    String(row.firstNumber),
    escapeText(arrayLiteral(row.urls)),
    escapeText(row.record),
  ];
  return `${fields.join("\t")}\n`;
}

const TEXT_SPECIALS = /[\\\n\r\t]/g;
const TEXT_ESCAPES: Record<string, string> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** https://www.postgresql.org/docs/current/sql-copy.html, "Text Format". */
function escapeText(text: string): string {
  return TEXT_SPECIALS.test(text) ? text.replaceAll(TEXT_SPECIALS, (found) => TEXT_ESCAPES[found] ?? found) : text;
}

function arrayLiteral(items: readonly string[]): string {
  return `{${items.map((item) => `"${item.replaceAll(/["\\]/g, String.raw`\$&`)}"`).join(",")}}`;
}
