import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { slugOf } from "../../src/domain/file-name.ts";
import { RecordReader } from "../../src/csv/record-reader.ts";
import { createResultWriter, type ResultShape } from "../../src/csv/write-result.ts";
import { readCsv, writeResult } from "../support/csv.ts";

const HEADER = "S. No,Product Name,Input Image Urls";
const A = "https://shop.test/a.jpg";
const FILE_CHUNK = [64 * 1024];
/** What a hostile file may take; each of these takes some tenth of it on two cores, and minutes where time grows with the square. */
const MS_MAX = 1_000;

async function timed<T>(work: () => Promise<T> | T, msMax = MS_MAX): Promise<T> {
  const startedAt = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(startedAt);
  // CPU and not the clock: what else the machine does has no say.
  const tookMs = (user + system) / 1_000;
  assert.ok(tookMs < msMax, `took ${tookMs.toFixed(0)} ms`);
  return result;
}

const mb = (text: string, count: number) => text.repeat(Math.ceil((count * 1024 * 1024) / text.length));

describe("a file made to be slow is answered at once", () => {
  const row = `1,Mug,${A}\n`;
  const cases: Record<string, [file: string | Buffer, code: string | null]> = {
    "an unclosed quote before 10 MB": [`${HEADER}\n1,"${mb("x,\n", 10)}`, "unclosed_quote"],
    "an unclosed quote in the header before 10 MB": [`S. No,"Product Name${mb(",\n", 10)}`, "unclosed_quote"],
    "an unclosed quote before 10 MB of line breaks": [`${HEADER}\n1,"${mb("\r", 10)}`, "unclosed_quote"],
    "an unclosed quote before 10 MB of doubled quotes": [`${HEADER}\n1,"${mb('""', 10)}`, "unclosed_quote"],
    "10 MB of quotes": [mb('"', 10), "row_too_long"],
    "a line of 5 MB": [`${HEADER}\n1,${mb("x", 5)},${A}\n`, "row_too_long"],
    "a header of 5 MB": [mb("x", 5), "row_too_long"],
    "a line of 5 MB of spaces": [`${HEADER}\n1,${mb(" ", 5)},${A}\n`, "row_too_long"],
    "a cell of almost a row": [`${HEADER}\n1,"${"x".repeat(1_000_000)}",${A}\n`, null],
    "a header of 100,000 columns": [`${HEADER}${",x".repeat(100_000)}\n`, "too_many_columns"],
    "a header of 80,000 beginnings of a name": [`id;name;image;${"url".repeat(80_000)}\n1;Mug;${A};x\n`, null],
    "a header of 20,000 beginnings of another": [`item_sku\tmain_image_url\t${"imagelocator".repeat(20_000)}\n1\t${A}\tx\n`, null],
    "a row of 100,000 columns": [`${HEADER}\n${",".repeat(100_000)}\n`, "too_many_columns"],
    "a million delimiters": [",".repeat(1_000_000), "too_many_columns"],
    "200,000 doubled quotes": [`${HEADER}\n1,"${'""'.repeat(200_000)}",${A}\n`, null],
    "200,000 quotes in text": [`${HEADER}\n1,x${'"'.repeat(200_000)},${A}\n`, null],
    "64 KB of blank rows at the end": [`${HEADER}\n${row}${"\n".repeat(64 * 1024)}`, null],
    "2 MB of blank rows at the end": [`${HEADER}\n${row}${mb(" ,\r\n", 2)}`, null],
    "2 MB of blank rows in the header": [`${HEADER}\n${mb("\n", 2)}${row}`, null],
    "256 KB of blank rows above the header": [`${"\n".repeat(250_000)}${HEADER}\n${row}`, null],
    "10 MB of blank rows": [mb("\n", 10), "empty_file"],
    "10 MB of spaces": [mb(" ", 10), "empty_file"],
    "a cell of 10,000 URLs": [`${HEADER}\n1,Mug,"${`${A},`.repeat(10_000)}"\n`, "too_many_urls"],
    "2 MB of rows in Windows-1252": [Buffer.from(`${HEADER}\n${mb(`1,\xe4\xff\xc3,${A}\n`, 2)}`, "latin1"), null],
    "5 MB of bytes that are no encoding": [Buffer.from(`${HEADER}\n1,${mb("\xc3\xa4\xff\x81\xe2\x82\xf0", 5)}`, "latin1"), "invalid_utf8"],
    "5 MB of half characters": [Buffer.from(`\uFEFF${HEADER}\n1,${mb("\uD800\r", 2)}`, "utf16le"), "invalid_utf16"],
    "rows of no image": [`${HEADER}\n${",x\n".repeat(100_000)}`, "no_images"],
    "rows with a fault each": [`${HEADER}\n${"1,x,nowhere\n".repeat(50_000)}`, "url_invalid"],
    "10 MB of zeros, gzipped": [gzipSync(Buffer.alloc(10 * 1024 * 1024)), "not_csv"],
    "100 MB of one row, gzipped": [gzipSync(Buffer.alloc(100 * 1024 * 1024, row)), "unpacked_too_large"],
  };
  for (const [name, [file, code]] of Object.entries(cases)) {
    test(name, async () => {
      const bytes = Buffer.from(file);
      const reading = await timed(() => readCsv(bytes, { chunks: FILE_CHUNK }));
      assert.equal(reading.ok ? null : reading.problems[0]?.code, code);
    });
  }

  test("a record of 1 MB that comes a character at a time", async () => {
    const reader = new RecordReader({ delimiter: ",", columnsMax: 2, recordCharsMax: 1024 * 1024, lines: "physical" });
    const pieces = Array.from(`a,"${"x\n".repeat(500_000)}"\n`);
    const records = await timed(() => [...pieces.flatMap((piece) => reader.push(piece).records), ...reader.end().records]);
    assert.deepEqual(
      records.map(({ text }) => text.length),
      [pieces.length],
    );
  });

  test("100 kB that come a byte at a time, a row of all of it among them", async () => {
    for (const rows of [row.repeat(3_300), `1,"${'""'.repeat(50_000)}",${A}\n`]) {
      // 3 µs a byte, five times that where the test runner follows each promise.
      const reading = await timed(() => readCsv(`${HEADER}\n${rows}`, { chunks: [1] }), 5 * MS_MAX);
      assert.ok(reading.ok);
    }
  });

  test("a row of 1 MB that comes in pieces of 100 bytes", async () => {
    assert.ok((await timed(() => readCsv(`${HEADER}\n1,"${"x".repeat(1_000_000)}",${A}\n`, { chunks: [100] }))).ok);
  });

  for (const shape of ["append", "import"] satisfies ResultShape[]) {
    test(`also where its result is written, ${shape}`, async () => {
      const quotes = await readCsv(
        `${HEADER},Note\n1,Mug,"${`${A},\n`.repeat(1_000)}","${'""'.repeat(200_000)}"\n${"\n".repeat(64_000)}2,Mug,${A},${"\r".repeat(64_000)}`,
      );
      assert.ok(quotes.ok);
      await timed(() => writeResult(quotes, shape, ({ urls }) => ({ outputs: urls.map(() => "https://o.test/1.webp") })));
      const top = await readCsv(`${"x\n".repeat(8)}${"\n".repeat(200_000)}sku,base_image\n1,${A}\n`);
      assert.ok(top.ok);
      await timed(() => createResultWriter(top.facts, shape, []).head());
    });
  }

  test("a cell of a hundred thousand separators, and a slug of them", async () => {
    for (const filler of [" ", ", ", ",", "-", "a,", "\n", "\\,"]) {
      const cell = filler.repeat(100_000);
      await timed(() => readCsv(`${HEADER}\n1${cell.replaceAll(/[,\n]/g, "")},Mug,"${A}${cell}x"\n`, { onInvalid: "skip" }));
      await timed(() => slugOf(`a${cell}b`));
    }
  });

  test("a thousand columns of which an upload names five thousand others", async () => {
    const names = Array.from({ length: 5_000 }, (_, index) => `n${index}`);
    const images = Array.from({ length: 50 }, (_, index) => names.slice(100 * index, 100 * (index + 1)).join(","));
    const header = Array.from({ length: 1_000 }, (_, index) => `Column ${index}`).join(",");
    const read = await timed(() => readCsv(`${header}\n${A}\n`, { wishes: { images, name: null, id: null } }));
    assert.equal(!read.ok && read.problemCount, 5_000);
  });
});
