import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";

export type CatalogueFile = {
  rows: number;
  /** Where the first rows' images are, so that they really start; those of the others lie on hosts that do not exist. */
  origin: string | null;
};

/** More than can be downloaded before the benchmark ends the service. */
const ORIGIN_ROWS = 2_000;
const HOSTS = Array.from({ length: 8 }, (_, index) => `https://img${index + 1}.example`);
/** Every so many rows the second image is that of the row before, as variants share a picture. */
const REPEAT_EVERY = 50;
const PIECE_ROWS = 1_000;

/** The same rows for the same arguments: two images each, in the seed's columns. A million take 98 MB. */
export async function writeCatalogue(path: string, file: CatalogueFile): Promise<void> {
  await pipeline(pieces(file), createWriteStream(path));
}

async function* pieces(file: CatalogueFile): AsyncGenerator<string> {
  yield "S. No,Product Name,Input Image Urls\n";
  for (let from = 1; from <= file.rows; from += PIECE_ROWS) {
    const count = Math.min(PIECE_ROWS, file.rows - from + 1);
    yield Array.from({ length: count }, (_, index) => rowOf(from + index, file.origin)).join("");
  }
}

function rowOf(number: number, origin: string | null): string {
  const host = number <= ORIGIN_ROWS && origin !== null ? origin : HOSTS[number % HOSTS.length];
  const second = number % REPEAT_EVERY === 0 ? number - 1 : number;
  const other = second === number || number <= ORIGIN_ROWS ? host : HOSTS[second % HOSTS.length];
  return `${number},Coffee mug #${number},"${host}/m/${number}a.jpg,${other}/m/${second}${second === number ? "b" : "a"}.jpg"\n`;
}

const [path, rows = "1000000"] = import.meta.main ? process.argv.slice(2) : [];
if (path !== undefined) await writeCatalogue(path, { rows: Number(rows), origin: null });
