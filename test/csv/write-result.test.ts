import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { writeToString } from "fast-csv";
import type { CatalogueProduct } from "../../src/csv/read-product.ts";
import { encodeText } from "../../src/csv/text-encoding.ts";
import { ENCODINGS } from "../../src/domain/batch/catalogue-facts.ts";
import { createRowWriter, RESULT_COLUMNS, type ResultCells } from "../../src/csv/write-result.ts";
import { readCsv, rowsByFastCsv, writeResult, type CsvReading } from "../support/csv.ts";

const HEADER = "S. No,Product Name,Input Image Urls";
const A = "https://shop.test/a.jpg";
const B = "https://shop.test/b.jpg?x=1";

async function accepted(csv: string | Buffer, options: Parameters<typeof readCsv>[1] = {}): Promise<CsvReading & { ok: true }> {
  const reading = await readCsv(csv, { onInvalid: "skip", ...options });
  assert.ok(reading.ok, JSON.stringify(reading));
  return reading;
}

async function append(csv: string | Buffer, result: Partial<ResultCells> = {}): Promise<string> {
  return writeResult(await accepted(csv), "append", () => result).toString();
}

/** Outputs are counted through the file, from 1; those in `failed` are missing. */
async function importFile(
  csv: string | Buffer,
  failed: readonly number[] = [],
  outputUrl = (number: number) => `https://o.test/${number}.webp`,
): Promise<string> {
  let number = 0;
  const outputs = ({ urls }: CatalogueProduct) => urls.map(() => (failed.includes(++number) ? null : outputUrl(number)));
  return writeResult(await accepted(csv), "import", (product) => ({ outputs: outputs(product) })).toString();
}

describe("the appended shape", () => {
  test("keeps every row and cell as it came and adds three columns, positions held by empty places", async () => {
    const row = ' 1 ,"=cmd|""x""",';
    const csv = `${HEADER}\n${row}"${A},${A},${A}"\n`;
    const result = { outputs: ["https://o/1.jpg", null, "https://o/3.jpg"], status: "partial", errors: ["2: not_found: gone", "x"] };
    assert.equal(
      await append(csv, result),
      `${HEADER},${RESULT_COLUMNS.join(",")}\n${row}"${A},${A},${A}","https://o/1.jpg,,https://o/3.jpg",partial,"2: not_found: gone\nx"\n`,
    );
  });

  const ours = { outputs: ["o"], status: "completed", errors: [] };
  const cases: Record<string, [string, string]> = {
    "delimiter, line ends and byte order mark as the upload's": [
      `\uFEFFa;image\r\n"Mug;Cup";${A}\r\n`,
      `\uFEFFa;image;Output Image Urls;Status;Errors\r\n"Mug;Cup";${A};o;completed;\r\n`,
    ],
    "CR alone": [`a,image\rMug,${A}\r`, `a,image,Output Image Urls,Status,Errors\rMug,${A},o,completed,\r`],
    "line ends mixed": [
      `a,image\nMug,${A}\r\nCup,${A}\rPot,${A}\n`,
      `a,image,Output Image Urls,Status,Errors\nMug,${A},o,completed,\r\nCup,${A},o,completed,\rPot,${A},o,completed,\n`,
    ],
    "a last line without a break": [`a,image\r\nMug,${A}`, `a,image,Output Image Urls,Status,Errors\r\nMug,${A},o,completed,\r\n`],
    "a last line without a break, behind a header with one in a cell": [
      `"a\nb",image\r\nMug,${A}`,
      `"a\nb",image,Output Image Urls,Status,Errors\r\nMug,${A},o,completed,\r\n`,
    ],
    "a line that says the delimiter": [
      `sep=;\na;image\nMug;${A}\n`,
      `sep=;\na;image;Output Image Urls;Status;Errors\nMug;${A};o;completed;\n`,
    ],
    "lines above the header and blank ones between": [
      `\n\na,image\n\nMug,${A}\n \n\nCup,${A}\n\n`,
      `\n\na,image,Output Image Urls,Status,Errors\n\nMug,${A},o,completed,\n \n\nCup,${A},o,completed,\n\n`,
    ],
    "blank rows of delimiters as wide as all others, wherever they stand": [
      `,\na,image\r\n,\r\n\r\n" ",\rMug,${A}\n,\n\n,,,\nCup,${A}\n\n,`,
      `,,,,\na,image,Output Image Urls,Status,Errors\r\n,,,,\r\n\r\n" ",,,,\rMug,${A},o,completed,\n,,,,\n\n,,,,\nCup,${A},o,completed,\n\n,,,,`,
    ],
    "a header below a row of several lines": [
      `x,"\n\n\n"\nsku,name,base_image\r\n\r\nMUG,Mug,${A}`,
      `x,"\n\n\n"\nsku,name,base_image,Output Image Urls,Status,Errors\r\n\r\nMUG,Mug,${A},o,completed,\r\n`,
    ],
    "a header of several lines": [
      `"a\r\na","im\nage"\r\nMug,${A}\r\n`,
      `"a\r\na","im\nage",Output Image Urls,Status,Errors\r\nMug,${A},o,completed,\r\n`,
    ],
    "the columns of an earlier result": [
      `image,Output Image Urls,STATUS,Errors,errors 2\n${A},,,,\n`,
      `image,Output Image Urls,STATUS,Errors,errors 2,Output Image Urls 2,Status 2,Errors 3\n${A},,,,,o,completed,\n`,
    ],
    "a short row": [`image,a,b\n${A}\n`, `image,a,b,Output Image Urls,Status,Errors\n${A},,,o,completed,\n`],
    "empty cells too many": [`image,a\n${A},"x" ,,\n`, `image,a,Output Image Urls,Status,Errors\n${A},"x",o,completed,\n`],
    "URLs that ran into cells of their own": [
      `a,image\nMug,${A}, ${B}\n`,
      `a,image,Output Image Urls,Status,Errors\nMug,"${A}, ${B}",o,completed,\n`,
    ],
  };
  for (const [name, [csv, result]] of Object.entries(cases)) {
    test(`has ${name}`, async () => assert.equal(await append(csv, ours), result));
  }

  test("defuses only what we add", async () => {
    assert.equal(
      await append(`a,b,image\n=1,+2,@u\n`, { errors: ["=HYPERLINK(1)"] }),
      `a,b,image,Output Image Urls,Status,Errors\n=1,+2,@u,,failed,'=HYPERLINK(1)\n`,
    );
  });
});

describe("the imported shape", () => {
  const cases: Record<string, [string, string]> = {
    "each URL where its source was": [`a,image\nMug,"${A}, ${B} "\n`, `a,image\nMug,"https://o.test/1.webp, https://o.test/2.webp "\n`],
    "quotes as they were, also where none were needed": [
      `a,image\n"Mug", "${A}" \nCup , ${B} \n`,
      `a,image\n"Mug", "https://o.test/1.webp" \nCup , https://o.test/2.webp \n`,
    ],
    "a quote within an unquoted cell": [`a,image\nMug,${A}?x="1"\n`, "a,image\nMug,https://o.test/1.webp\n"],
    "quotes doubled in the same cell": [
      `a,image\nMug,"${A}, ""n/a"", ${B}"\n`,
      `a,image\nMug,"https://o.test/1.webp, ""n/a"", https://o.test/3.webp"\n`,
    ],
    "URLs that ran into cells of their own": [`a,image\nMug,${A}, ${B}\n`, `a,image\nMug,https://o.test/1.webp, https://o.test/2.webp\n`],
    "lines above, between and below, and breaks of every kind": [
      `\r\n\na,image\r\n\r\rMug,${A}\r \n,\r\nCup,${B}`,
      `\r\n\na,image\r\n\r\rMug,https://o.test/1.webp\r \n,\r\nCup,https://o.test/2.webp`,
    ],
    "several image columns": [
      `image 2,a,image 1\n${B},Mug,${A}\n,,"${A}"\n`,
      `image 2,a,image 1\nhttps://o.test/1.webp,Mug,https://o.test/2.webp\n,,"https://o.test/3.webp"\n`,
    ],
  };
  for (const [name, [csv, result]] of Object.entries(cases)) {
    test(`has ${name}`, async () =>
      assert.equal(
        await importFile(
          csv,
          [2].filter(() => name.includes("same cell")),
        ),
        result,
      ));
  }

  test("leaves a source where its output is missing, wherever in the cell", async () => {
    assert.equal(
      await importFile(`image\n"${A},${B},${A}"\n${B}\n`, [2]),
      `image\n"https://o.test/1.webp,${B},https://o.test/3.webp"\nhttps://o.test/4.webp\n`,
    );
  });

  test("quotes a cell where the output's URL holds the delimiter, and only there", async () => {
    const csv = `a~image\nMug~ ${A}\nCup~"${B}"\n`;
    assert.equal(
      await importFile(csv, [], (number) => `https://o.test/~me/${number}.webp`),
      `a~image\nMug~" https://o.test/~me/1.webp"\nCup~"https://o.test/~me/2.webp"\n`,
    );
  });
});

test("rows of a file alone have a break each, also the one that had none", async () => {
  const { facts, found } = await accepted(`\uFEFFa;image\r\nMug;${A}\r\n\r\nCup;${B}`);
  const writer = createRowWriter(facts);
  const rows = found.toReversed().map(({ record }) => writer.row(record).toString());
  assert.deepEqual([writer.head().toString(), ...rows], ["\uFEFFa;image\r\n", `Cup;${B}\r\n`, `Mug;${A}\r\n\r\n`]);
});

describe("any file", () => {
  const note = fc.string({
    unit: fc.constantFrom("a", " ", '"', ",", ";", "\t", "|", "~", "\n", "\r\n", "\r", "é", "€", "="),
    maxLength: 10,
  });
  const wideNote = fc.string({ unit: fc.constantFrom("a", '"', ",", "\n", "語", "😀", "\uFEFF", "\u0085"), maxLength: 10 });
  const url = fc.constantFrom(A, B, "https://cdn.test/w_1,h_2/c.jpg", "n/a", "https://shop.test/é.jpg");
  const rows = (note: fc.Arbitrary<string>) =>
    fc.array(fc.tuple(note, fc.array(url, { maxLength: 4 }), note), { minLength: 1, maxLength: 6 });
  const file = fc.oneof(
    fc.record({ encoding: fc.constantFrom(...ENCODINGS), rows: rows(note) }),
    fc.record({ encoding: fc.constantFrom("utf-8" as const, "utf-16le" as const, "utf-16be" as const), rows: rows(wideNote) }),
  );
  const format = fc.record({
    delimiter: fc.constantFrom(",", ";", "\t", "|", "~"),
    rowDelimiter: fc.constantFrom("\n", "\r\n", "\r"),
    quoteColumns: fc.boolean(),
    includeEndRowDelimiter: fc.boolean(),
  });
  const separator = fc.constantFrom(", ", ",", "\n", " ; ", "\r\n");

  type File = { text: string; bytes: Buffer; cells: string[][]; delimiter: string };
  const anyFile = fc
    .tuple(file, format, separator, fc.boolean(), fc.boolean())
    .map(([{ encoding, rows }, format, separator, hasMark, imageFirst]) => {
      // fast-csv loses blanks that begin a row, so that none of ours does.
      const cells = rows.map(([text, urls, note]) =>
        imageFirst ? [urls.join(separator), text, note] : [`t${text}`, urls.join(separator), note],
      );
      return {
        encoding,
        format,
        hasMark,
        cells: [imageFirst ? ["Image", "Text", "Note"] : ["Text", "Image", "Note"], imageFirst ? [A, "t", ""] : ["t", A, ""], ...cells],
      };
    });
  const write = async ({ encoding, format, hasMark, cells }: typeof anyFile extends fc.Arbitrary<infer T> ? T : never): Promise<File> => {
    const text = await writeToString(cells, { ...format, headers: false });
    const bytes = encodeText((hasMark && encoding !== "windows-1252") || encoding.startsWith("utf-16") ? `\uFEFF${text}` : text, encoding);
    return { text, bytes, cells, delimiter: format.delimiter };
  };

  test("comes back byte for byte in the imported shape where nothing was delivered", async () => {
    await fc.assert(
      fc.asyncProperty(anyFile, async (given) => {
        const { bytes } = await write(given);
        assert.deepEqual(writeResult(await accepted(bytes), "import"), bytes);
      }),
      { numRuns: 500 },
    );
  });

  test("differs in the imported shape in nothing but the URLs that were delivered", async () => {
    await fc.assert(
      fc.asyncProperty(anyFile, fc.array(fc.boolean(), { minLength: 1, maxLength: 7 }), async (given, pattern) => {
        const { bytes } = await write(given);
        const reading = await accepted(bytes);
        let number = 0;
        const delivered: [source: string, output: string][] = [];
        const result = writeResult(reading, "import", ({ urls }) => ({
          outputs: urls.map((source) => {
            number += 1;
            if (!pattern[number % pattern.length]) return null;
            delivered.push([source, `https://o.test/${number}-.webp`]);
            return `https://o.test/${number}-.webp`;
          }),
        }));
        // Put back one after the other, the sources make the file that was uploaded.
        const { encoding } = reading.facts;
        let text = new TextDecoder(encoding, { ignoreBOM: true }).decode(result);
        for (const [source, output] of delivered) {
          assert.equal(text.split(output).length, 2);
          text = text.replace(output, () => source);
        }
        assert.deepEqual(encodeText(text, encoding), bytes);
      }),
      { numRuns: 500 },
    );
  });

  test("has its own columns unchanged in the appended shape, as our reader and fast-csv see it", async () => {
    await fc.assert(
      fc.asyncProperty(anyFile, async (given) => {
        const { text, bytes, cells, delimiter } = await write(given);
        const reading = await accepted(bytes);
        // Windows-1252's `é€€` is the UTF-8 of another letter, and nobody can tell which was meant.
        fc.pre(new TextDecoder(reading.facts.encoding).decode(bytes) === new TextDecoder().decode(Buffer.from(text)));
        const result = writeResult(reading, "append", ({ urls }) => ({
          outputs: urls.map(() => "https://o.test/x;y,z|~.webp"),
          errors: ["a\nb", '"'],
        }));
        const again = await accepted(result, { wishes: { images: ["Image"], name: null, id: null } });
        assert.deepEqual(
          again.found.map(({ urls }) => urls),
          reading.found.map(({ urls }) => urls),
        );
        const theirs = await rowsByFastCsv(new TextDecoder(reading.facts.encoding).decode(result), delimiter);
        // Blank rows are as wide as the others.
        assert.ok(theirs.every((row) => row.length === 6));
        const [header, ...rows] = theirs.filter((row) => row.join("").trim() !== "");
        assert.deepEqual(header, [...(cells[0] ?? []), ...RESULT_COLUMNS]);
        assert.deepEqual(
          rows.map((row) => row.slice(0, 3)),
          cells.slice(1).filter((row) => row.join("").trim() !== ""),
        );
      }),
      { numRuns: 500 },
    );
  });
});
