import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { slugOf } from "../../src/domain/file-name.ts";
import { CATALOGUE_LIMITS, type CatalogueLimits } from "../../src/csv/limits.ts";
import { readCatalogue, type Catalogue, type CatalogueProduct } from "../../src/csv/read-catalogue.ts";

const HEADER = "S. No,Product Name,Input Image Urls";

async function read(csv: string | Buffer, options: { onInvalid?: "reject" | "skip"; limits?: Partial<CatalogueLimits>; chunkBytes?: number } = {}): Promise<Catalogue & { found: CatalogueProduct[] }> {
  const bytes = Buffer.from(csv);
  const size = options.chunkBytes ?? Math.max(1, bytes.length);
  const source = (async function* () {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  })();
  const found: CatalogueProduct[] = [];
  const catalogue = await readCatalogue(source, {
    onInvalid: options.onInvalid ?? "reject",
    limits: { ...CATALOGUE_LIMITS, ...options.limits },
    onProducts: async (page) => void found.push(...page),
  });
  return { ...catalogue, found };
}

async function urlsOf(csv: string | Buffer): Promise<string[][]> {
  const result = await read(csv);
  assert.ok(result.ok, JSON.stringify(result));
  return result.found.map(({ urls }) => urls);
}

async function problemsOf(csv: string | Buffer, options: Parameters<typeof read>[1] = {}): Promise<[number, string | null, string][]> {
  const result = await read(csv, options);
  assert.ok(!result.ok, "the file was accepted");
  return result.problems.map(({ line, column, code }) => [line, column, code]);
}

const A = "https://shop.test/a.jpg";
const B = "https://shop.test/b.jpg?x=1";

describe("the seed's CSV", () => {
  const variations: Record<string, string | Buffer> = {
    "as it is": `${HEADER}\n1,Mug,"${A},${B}"\n`,
    "without a last line break": `${HEADER}\n1,Mug,"${A},${B}"`,
    "with CRLF": `${HEADER}\r\n1,Mug,"${A},${B}"\r\n`,
    "with CR alone": `${HEADER}\r1,Mug,"${A},${B}"\r`,
    "with a byte order mark": `\uFEFF${HEADER}\n1,Mug,"${A},${B}"\n`,
    "with semicolons": `${HEADER.replaceAll(",", ";")}\n1;Mug;${A},${B}\n`,
    "with tabs": `${HEADER.replaceAll(",", "\t")}\n1\tMug\t${A},${B}\n`,
    "with bars": `${HEADER.replaceAll(",", "|")}\n1|Mug|${A},${B}\n`,
    "with blank lines and blank rows": `\n${HEADER}\n\n,,\n1,Mug,"${A},${B}"\n   \n\n`,
    "with other spellings of the headers": `"Serial Number",PRODUCT_NAME, input image  URLs \n1,Mug,"${A},${B}"\n`,
    "with a full stop": `S. No.,Product Name,Input Image Urls\n1,Mug,"${A},${B}"\n`,
    "with columns in another order and more of them": `Colour,Input Image Urls,Product Name,S. No\nred,"${A},${B}",Mug,1\n`,
    "with unquoted URLs at the end of the line": `${HEADER}\n1,Mug,${A},${B}\n`,
    "with unquoted URLs and spaces": `${HEADER}\n1,Mug,${A}, ${B}\n`,
    "with URLs on lines of their own": `${HEADER}\n1,Mug,"${A},\n${B}\n"\n`,
    "with every cell quoted": `"S. No","Product Name","Input Image Urls"\n"1","Mug","${A},${B}"\n`,
    "with spaces around quotes": `${HEADER}\n1,Mug, "${A},${B}" \n`,
    "with CR alone and blank lines at the end": `${HEADER}\r1,Mug,"${A},${B}"\r\r`,
    "with a no-break space before a quote": `${HEADER}\n1,Mug,\u00A0"${A},\n${B}"\n`,
    "with other white space before a quote": `${HEADER}\n1,Mug,\f\u3000 "${A},\n${B}"\n`,
    "with a separator too many": `${HEADER}\n1,Mug,"${A},, ${B},"\n`,
  };
  for (const [name, csv] of Object.entries(variations)) {
    test(`is read ${name}`, async () => assert.deepEqual(await urlsOf(csv), [[A, B]]));
  }

  test("a comma inside a URL does not split it", async () => {
    const cdn = "https://cdn.test/w_200,h_100,c_fill/mug.jpg";
    assert.deepEqual(await urlsOf(`${HEADER}\n1,Mug,"${cdn},${A}"\n`), [[cdn, A]]);
    assert.deepEqual(await urlsOf(`${HEADER}\n1,Mug,${cdn},${A}\n`), [[cdn, A]]);
  });

  test("a word behind a URL is an item of its own, a space within a URL is not", async () => {
    assert.deepEqual((await read(`${HEADER}\n1,Mug,"${A}, n/a"\n2,Mug,"${A}\nwww.b.test/2.jpg"\n3,Mug,"https://shop.test/my mug.jpg,${A}"\n`, { onInvalid: "skip" })).found.map(({ urls }) => urls), [[A, "n/a"], [A, "www.b.test/2.jpg"], ["https://shop.test/my mug.jpg", A]]);
  });

  test("a cell of a hundred thousand separators costs no time", async () => {
    const startedAt = performance.now();
    for (const filler of [" ", ", ", ",", "-", "a,"]) {
      const cell = filler.repeat(100_000);
      await read(`S. No,Product Name,Input Image Urls\n1${cell.replaceAll(",", "")},Mug,"${A}${cell}x"\n`, { onInvalid: "skip" });
      slugOf(`a${cell}b`);
    }
    assert.ok(performance.now() - startedAt < 1_500, `${performance.now() - startedAt} ms`);
  });

  test("text before and after non-ASCII letters in quotes stays text", async () => {
    assert.deepEqual((await read(`${HEADER}\n1,é"x" y,${A}\n2,語 ok,${A}\n`)).found.map(({ name }) => name), ['é"x" y', "語 ok"]);
  });

  test("keeps every cell as it came, `__proto__` and formulas included", async () => {
    const result = await read(`${HEADER},__proto__,Note\n 1 ,"He said ""Mug""",${A},=1+1,"two\nlines"\n`);
    assert.deepEqual(result.found[0]?.cells, [" 1 ", 'He said "Mug"', A, "=1+1", "two\nlines"]);
    assert.ok(result.ok);
    assert.deepEqual(result.facts.header, ["S. No", "Product Name", "Input Image Urls", "__proto__", "Note"]);
  });

  test("lines are those an editor shows, also after cells of several lines and blank ones", async () => {
    const csv = `${HEADER}\r\n1,"two\r\nlines",${A}\r\n\r\n2,Mug,${A}\r\n`;
    assert.deepEqual((await read(csv)).found.map(({ line }) => line), [2, 5]);
  });
});

describe("a CSV with problems", () => {
  const cases: Record<string, [string | Buffer, [number, string | null, string][]]> = {
    "nothing at all": ["", [[1, null, "empty_file"]]],
    "blank lines only": ["\n\n  \n", [[1, null, "empty_file"]]],
    "a header only": [`${HEADER}\n`, [[1, null, "no_products"]]],
    "no column of URLs": ["S. No,Product Name,Pictures\n1,Mug,x\n", [[1, "Input Image Urls", "missing_column"]]],
    "no header": [`1,Mug,${A}\n`, [[1, "S. No", "missing_column"], [1, "Product Name", "missing_column"], [1, "Input Image Urls", "missing_column"]]],
    "a column twice": [`S. No,Product Name,Input Image Urls,Input Image Urls\n1,Mug,${A},${B}\n`, [[1, "Input Image Urls", "duplicate_column"]]],
    "a quote that is never closed": [`${HEADER}\n1,Mug,${A}\n2,"Cup,${A}\n3,Pot,${A}\n`, [[3, null, "unclosed_quote"]]],
    "text after a quote": [`${HEADER}\n1,Mug,${A}\n2,"Cup" blue,${A}\n`, [[3, null, "stray_quote"]]],
    "problems before a quote that is never closed": [`${HEADER}\n1,,${A}\n2,"Cup,${A}\n`, [[2, "Product Name", "name_missing"], [3, null, "unclosed_quote"]]],
    "text between two quoted parts": [`${HEADER}\n1,"Mug" "large",${A}\n`, [[2, null, "stray_quote"]]],
    "a NUL byte": [`${HEADER}\n1,Mug\0,${A}\n`, [[2, null, "not_csv"]]],
    "Windows-1252": [Buffer.from(`${HEADER}\n1,Mug,${A}\n2,Caf\u00E9,${A}\n3,Th\u00E9,\n`, "latin1"), [[3, null, "invalid_utf8"], [4, "Input Image Urls", "url_missing"]]],
    "UTF-16": [Buffer.from(`\uFEFF${HEADER}\n1,Mug,${A}\n`, "utf16le"), [[1, null, "unsupported_encoding"]]],
    "too many cells": [`Input Image Urls,S. No,Product Name\n${A},1,Mug,extra\n`, [[2, null, "row_too_wide"]]],
    "a URL without scheme": [`${HEADER}\n1,Mug,shop.test/a.jpg\n`, [[2, "Input Image Urls", "url_invalid"]]],
    "a URL with a password": [`${HEADER}\n1,Mug,https://user:secret@shop.test/a.jpg\n`, [[2, "Input Image Urls", "url_invalid"]]],
  };
  for (const [name, [csv, expected]] of Object.entries(cases)) {
    test(`${name}: tells where and what`, async () => assert.deepEqual(await problemsOf(csv), expected));
  }

  test("never shows a password or a query again", async () => {
    const result = await read(`${HEADER}\n1,Mug,ftp://shop.test/a.jpg?signature=SECRET\n2,Mug,https://user:SECRET@shop.test\n`);
    assert.ok(!result.ok);
    assert.doesNotMatch(JSON.stringify(result.problems), /SECRET/);
  });

  test("a bad URL can be skipped, a missing name not", async () => {
    assert.deepEqual((await read(`${HEADER}\n1,Mug,"nowhere,${A}"\n`, { onInvalid: "skip" })).found.map(({ urls }) => urls), [["nowhere", A]]);
    assert.deepEqual(await problemsOf(`${HEADER}\n1,,nowhere\n`, { onInvalid: "skip" }), [[2, "Product Name", "name_missing"]]);
  });

  test("every limit is told with its number", async () => {
    const rows = `${HEADER}\n1,Mug,"${A},${B}"\n2,Cup,${A}\n`;
    assert.deepEqual(await problemsOf(rows, { limits: { productsMax: 1 } }), [[3, null, "too_many_products"]]);
    assert.deepEqual(await problemsOf(rows, { limits: { imagesMax: 2 } }), [[3, null, "too_many_images"]]);
    assert.deepEqual(await problemsOf(rows, { limits: { urlsPerProductMax: 1 } }), [[2, "Input Image Urls", "too_many_urls"]]);
    assert.deepEqual(await problemsOf(rows, { limits: { columnsMax: 2 } }), [[1, null, "too_many_columns"]]);
    assert.deepEqual(await problemsOf(`${HEADER}\n1,${"x".repeat(2_000)},${A}\n`, { limits: { recordBytesMax: 1_000 } }), [[2, null, "row_too_long"]]);
    assert.deepEqual(await problemsOf(`${HEADER}\n1,"${"x\n".repeat(2_000)}`, { limits: { recordBytesMax: 1_000 } }), [[2, null, "unclosed_quote"]]);
  });

  test("two megabytes behind an unclosed quote cost no more than reading them", async () => {
    const csv = Buffer.from(`${HEADER}\n1,"${"x".repeat(2 * 1024 * 1024)}`);
    const startedAt = performance.now();
    assert.deepEqual(await problemsOf(csv, { chunkBytes: 16_384 }), [[2, null, "unclosed_quote"]]);
    assert.ok(performance.now() - startedAt < 500);
  });
});

test("whatever a spreadsheet writes comes back, however it is cut into chunks", async () => {
  const cell = fc.string({ unit: fc.constantFrom("a", " ", '"', ",", ";", "\t", "\n", "\r\n", "é", "語", "=", "😀"), maxLength: 12 });
  const row = fc.record({ serial: fc.stringMatching(/^[a-z0-9]{1,8}$/), name: fc.stringMatching(/^[a-z]{1,8}$/), note: cell, urls: fc.array(fc.webUrl({ validSchemes: ["http", "https"], withQueryParameters: true }).map((url) => url.replaceAll(/[,;|\s]/g, "_")), { minLength: 1, maxLength: 3 }) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { minLength: 1, maxLength: 8 }), fc.constantFrom(",", ";", "\t", "|"), fc.constantFrom("\n", "\r\n", "\r"), fc.boolean(), fc.integer({ min: 1, max: 64 }),
      async (rows, delimiter, newline, endsWithNewline, chunkBytes) => {
        const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
        const lines = rows.map(({ serial, name, note, urls }) => [serial, quote(name), quote(urls.join(", ")), quote(note)].join(delimiter));
        const csv = [["S. No", "Product Name", "Input Image Urls", "Note"].join(delimiter), ...lines].join(newline) + (endsWithNewline ? newline : "");
        const result = await read(csv, { chunkBytes });
        assert.ok(result.ok, JSON.stringify(result));
        assert.deepEqual(result.found.map(({ serial, name, urls, cells }) => ({ serial, name, urls, note: cells[3] })), rows.map(({ serial, name, urls, note }) => ({ serial, name, urls, note })));
      },
    ),
    { numRuns: 300 },
  );
});
