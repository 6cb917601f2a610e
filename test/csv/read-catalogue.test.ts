import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { writeToString } from "fast-csv";
import { CATALOGUE_LIMITS, PRODUCTS_AT_ONCE, PROBLEMS_LISTED_MAX } from "../../src/csv/limits.ts";
import { TABLE_LAYOUT, tableHead, tableRow } from "../../src/csv/products-table.ts";
import { HEAD_BYTES } from "../../src/csv/other-types.ts";
import { readCatalogue } from "../../src/csv/read-catalogue.ts";
import { encodeText } from "../../src/csv/text-encoding.ts";
import { ENCODINGS } from "../../src/domain/batch/catalogue-facts.ts";
import { DEFAULT_READING, readCsv, writeResult, type CsvReading } from "../support/csv.ts";

const HEADER = "S. No,Product Name,Input Image Urls";
const A = "https://shop.test/a.jpg";
const B = "https://shop.test/b.jpg?x=1";

type Options = Parameters<typeof readCsv>[1];

async function accepted(csv: string | Buffer, options?: Options): Promise<CsvReading & { ok: true }> {
  const reading = await readCsv(csv, options);
  assert.ok(reading.ok, JSON.stringify(reading));
  return reading;
}

async function productsOf(csv: string | Buffer, options?: Options): Promise<[serial: string, name: string, urls: string[]][]> {
  return (await accepted(csv, options)).found.map(({ serial, name, urls }) => [serial, name, urls]);
}

async function problemsOf(csv: string | Buffer, options?: Options): Promise<[number, string | null, string][]> {
  const reading = await readCsv(csv, options);
  assert.ok(!reading.ok, "the file was accepted");
  return reading.problems.map(({ line, column, code }) => [line, column, code]);
}

/** The first byte is alone with so many empty parts behind it that nothing else is unpacked with it. */
function cutMark(bytes: Buffer): Buffer {
  return Buffer.concat([gzipSync(bytes.subarray(0, 1)), ...Array.from({ length: 300 }, () => gzipSync("")), gzipSync(bytes.subarray(1))]);
}

describe("the seed's CSV", () => {
  const plain = `${HEADER}\n1,Mug,"${A},${B}"\n`;
  const divided = (delimiter: string) => `${HEADER.replaceAll(",", delimiter)}\n1${delimiter}Mug${delimiter}${A},${B}\n`;
  const variations: Record<string, string | Buffer> = {
    "as it is": plain,
    "without a last line break": plain.trimEnd(),
    "with CRLF": plain.replaceAll("\n", "\r\n"),
    "with CR alone": plain.replaceAll("\n", "\r"),
    "with line breaks of every kind": `${HEADER}\r\n\n1,Mug,"${A},${B}"\r\n\r`,
    "with a byte order mark": `\uFEFF${plain}`,
    "with a byte order mark in the middle": `${HEADER}\n1,Mug,\uFEFF"${A},${B}"\n`,
    "with semicolons": divided(";"),
    "with tabs": divided("\t"),
    "with bars": divided("|"),
    "with tildes": divided("~"),
    "with a line that says the delimiter": `sep=;\r\n${divided(";")}`,
    "with a quoted line that says the delimiter, behind a byte order mark": `\uFEFF"sep=;"\n${divided(";")}`,
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
    gzipped: gzipSync(plain),
    "gzipped, in UTF-16": gzipSync(Buffer.from(`\uFEFF${plain}`, "utf16le")),
    "gzipped in two parts": Buffer.concat([gzipSync(plain.slice(0, 40)), gzipSync(plain.slice(40))]),
    "gzipped in parts that cut a byte order mark": cutMark(Buffer.from(`\uFEFF${plain}`, "utf16le")),
  };
  for (const [name, csv] of Object.entries(variations)) {
    test(`is read ${name}`, async () => {
      for (const chunks of [[csv.length], [1]]) assert.deepEqual(await productsOf(csv, { chunks }), [["1", "Mug", [A, B]]]);
    });
  }

  test("a comma inside a URL does not split it", async () => {
    const cdn = "https://cdn.test/w_200,h_100,c_fill/mug.jpg";
    for (const cell of [`"${cdn},${A}"`, `${cdn},${A}`])
      assert.deepEqual(await productsOf(`${HEADER}\n1,Mug,${cell}\n`), [["1", "Mug", [cdn, A]]]);
  });

  test("a word behind a URL is an item of its own, a space within a URL is not", async () => {
    const rows = `${HEADER}\n1,Mug,"${A}, n/a"\n2,Mug,"${A}\nwww.b.test/2.jpg"\n3,Mug,"https://shop.test/my mug.jpg,${A}"\n`;
    assert.deepEqual(
      (await productsOf(rows, { onInvalid: "skip" })).map(([, , urls]) => urls),
      [
        [A, "n/a"],
        [A, "www.b.test/2.jpg"],
        ["https://shop.test/my mug.jpg", A],
      ],
    );
  });

  test("text before and after non-ASCII letters in quotes stays text", async () => {
    assert.deepEqual(
      (await productsOf(`${HEADER}\n1,é"x" y,${A}\n2,語 ok,${A}\n`)).map(([, name]) => name),
      ['é"x" y', "語 ok"],
    );
  });

  test("keeps every row as it came, `__proto__`, `constructor` and formulas included", async () => {
    const row = ` 1 ,"He said ""Mug""",${A},=1+1,"two\nlines",x\n`;
    const { facts, found } = await accepted(`${HEADER},__proto__,Note,constructor\n${row}`);
    assert.deepEqual(found, [{ line: 2, serial: "1", name: 'He said "Mug"', urls: [A], record: row }]);
    assert.deepEqual(facts.header, ["S. No", "Product Name", "Input Image Urls", "__proto__", "Note", "constructor"]);
  });

  test("lines are those an editor shows, also after cells of several lines and blank ones", async () => {
    for (const newline of ["\n", "\r\n", "\r"]) {
      const csv = `${HEADER}\n1,"two\nlines",${A}\n\n2,Mug,${A}\n`.replaceAll("\n", newline);
      const { facts, found } = await accepted(csv);
      assert.deepEqual([facts.newline, ...found.map(({ line }) => line)], [newline, 2, 5]);
    }
  });

  test("comes in portions, in order, none of them above the cap, blank lines at the end with the last row", async () => {
    const rows = Array.from({ length: 2 * PRODUCTS_AT_ONCE + 1 }, (_, index) => `${index},Mug,${A}\n`);
    const { found, portions } = await accepted(`${HEADER}\n${rows.join("")}\n\n`);
    assert.deepEqual(portions, [PRODUCTS_AT_ONCE, PRODUCTS_AT_ONCE, 1]);
    assert.deepEqual(
      found.map(({ serial }) => serial),
      rows.map((_, index) => String(index)),
    );
    assert.equal(found.at(-1)?.record, `${2 * PRODUCTS_AT_ONCE},Mug,${A}\n\n\n`);
  });
});

describe("any CSV", () => {
  test("needs a column of image URLs and nothing else: the line is the id", async () => {
    assert.deepEqual(await productsOf(`photo\n${A}\n\n${B}\n`), [
      ["2", "", [A]],
      ["4", "", [B]],
    ]);
  });

  test("an image column is known by its URLs, whatever it is called, with or without a last line break", async () => {
    for (const end of ["", "\n"]) assert.deepEqual(await productsOf(`ref;x;y\n1;${A};red${end}`), [["2", "", [A]]]);
  });

  test("a column called like one of images is one too where its first cell is filled far down", async () => {
    const csv = (header: string, last: string) => `${header}\n${`X,Cup,${A},,\n`.repeat(300)}Y,Mug,${A},${last}\n`;
    for (const header of [
      "sku,name,image1,image2,image3",
      "sku,name,Image,Additional Image URLs,Photo 3",
      "sku,name,Media 9,Media 10,media 11",
    ]) {
      const { found } = await accepted(csv(header, `"${B},${A}",${B}`));
      assert.deepEqual(found.at(-1)?.urls, [A, B, A, B], header);
    }
    // What is about an image, and what we have added ourselves, is none.
    for (const header of ["sku,name,image,photographer,Image Size", "sku,name,image,Output Image Urls,Output Image Urls (small)"]) {
      const { found } = await accepted(csv(header, "Jane Doe,12"));
      assert.deepEqual(found.at(-1)?.urls, [A], header);
    }
  });

  test("outputs of an earlier run beside paths are no images of it", async () => {
    const csv = `sku,name,image,Output Image Urls,Status,Errors\nMUG,Mug,/a.jpg,${B},completed,\n`;
    assert.deepEqual(await productsOf(csv, { baseUrl: "https://shop.test/media" }), [["MUG", "Mug", ["/a.jpg"]]]);
  });

  test("an empty id is the line number, an empty name that of the same id above", async () => {
    const csv = `sku,name,image\nMUG,Mug,${A}\nMUG,,${B}\n,,${A}\nCUP,,${B}\n`;
    assert.deepEqual(await productsOf(csv), [
      ["MUG", "Mug", [A]],
      ["MUG", "Mug", [B]],
      ["4", "", [A]],
      ["CUP", "", [B]],
    ]);
  });

  test("a row without a URL passes as such", async () => {
    const { facts, found } = await accepted(`sku,name,image\nMUG,Mug,\nCUP\nPOT,Pot,${A}\n`);
    assert.deepEqual(
      found.map(({ urls }) => urls),
      [[], [], [A]],
    );
    assert.deepEqual([facts.rows, facts.rowsWithoutImage, facts.images], [3, 2, 1]);
  });

  test("is read as the caller says", async () => {
    const csv = `name,ref,front,back\nMug,R1,${A},${B}\n`;
    assert.deepEqual(await productsOf(csv, { wishes: { images: ["back"], name: "ref", id: "Name" } }), [["Mug", "R1", [B]]]);
    assert.deepEqual(await problemsOf(csv, { wishes: { images: ["side"], name: null, id: null } }), [[1, "side", "column_not_found"]]);
    assert.deepEqual(await productsOf(`my|photo\n${A}\n`, { wishes: { images: ["my|photo"], name: null, id: null } }), [["2", "", [A]]]);
    assert.deepEqual(
      await productsOf(csv, { wishes: { images: ["Front,front", "front"], name: null, id: null } }),
      [["2", "Mug", [A]]],
      "a column that is named twice is one",
    );
    const below = await accepted(`Export of 1 May 2026\n\nRef;back;Text\nR1;${B};x\n`, {
      wishes: { images: ["back"], name: "Text", id: null },
    });
    assert.deepEqual(
      [below.facts.headerLine, below.facts.delimiter, below.found.map(({ urls }) => urls)],
      [3, ";", [[B]]],
      "the header need not be the first line",
    );
    for (const images of [["front,back"], ["FRONT", "Back"]]) {
      const { facts, found } = await accepted(`Export of 1 May 2026\n\nRef;front;back\nR1;${A};${B}\n`, {
        wishes: { images, name: null, id: null },
      });
      assert.deepEqual([facts.headerLine, facts.delimiter, found[0]?.urls], [3, ";", [A, B]], images.join(" and "));
    }
  });

  test("two columns of one name do no harm where nothing is written", async () => {
    assert.deepEqual(await productsOf(`sku,note,note,image\nMUG,a,b,${A}\n`), [["MUG", "", [A]]]);
  });

  test("blank rows stay with what is above them, whatever the length of that", async () => {
    const long = "x".repeat(100_000);
    const { facts, found } = await accepted(`\n \nsku,image,note\n,,\n\n1,${A},${long}\n\n"","",""\n2,${B},\n \n`);
    assert.equal(facts.head, "\n \nsku,image,note\n,,\n\n");
    assert.deepEqual(
      found.map(({ record }) => record),
      [`1,${A},${long}\n\n"","",""\n`, `2,${B},\n \n`],
    );
  });

  test("blank rows between products are capped for each of them, above the first and in all of what follows", async () => {
    const blank = "\n".repeat(50_000);
    assert.deepEqual(
      (await accepted(`sku,image\n${blank}1,${A}\n${blank}2,${B}\n${blank}`)).found.map(({ serial }) => serial),
      ["1", "2"],
    );
    const { facts, found } = await accepted(`sku,image\n${blank}${blank}1,${A}\n${blank}${blank}`);
    assert.deepEqual(
      found.map(({ urls }) => urls.length),
      [0, 1, 0],
    );
    assert.equal(facts.head + found.map(({ record }) => record).join(""), `sku,image\n${blank}${blank}1,${A}\n${blank}${blank}`);
  });

  test("has no blank row where a cell begins with a blank or a letter beyond ASCII", async () => {
    assert.deepEqual(
      (await accepted(`sku,image\n1,${A}\n 2,\n語,\n\u00A0,\n`)).found.map(({ serial }) => serial),
      ["1", "2", "語"],
    );
  });

  test("can have its header below other lines, and further down than the first piece", async () => {
    const csv = `TemplateType=fptcustom,Version=2021\nSKU,Title,Photo\nitem_sku,item_name,main_image_url\n1,Mug,${A}\n`;
    const { facts, found } = await accepted(csv, { chunks: [20] });
    assert.deepEqual([facts.dialect, facts.headerLine, found[0]?.serial], ["amazon", 3, "1"]);
    const blank = "\n".repeat(100_000);
    assert.equal((await accepted(blank + HEADER + `\n1,Mug,${A}`, { chunks: [1_000] })).facts.headerLine, 100_001);
  });

  test("can have rows longer than the sample that the layout is chosen by", async () => {
    const long = "x".repeat(600_000);
    assert.deepEqual(
      (await productsOf(`${HEADER},Note\n1,Mug,${A},"${long}"\n2,Cup,${B},${long}\n`)).map(([serial, name, urls]) => [serial, name, urls]),
      [
        ["1", "Mug", [A]],
        ["2", "Cup", [B]],
      ],
    );
  });

  test("that we made of JSON has a product in every row, blank ones too", async () => {
    const csv = tableHead() + tableRow({ images: [] }) + tableRow({ id: " ", images: [A, B] }) + tableRow({ name: "Mug", images: [] });
    assert.deepEqual(
      (await accepted(csv, { layout: TABLE_LAYOUT })).found.map(({ line, urls }) => [line, urls.length]),
      [
        [1, 0],
        [2, 2],
        [3, 0],
      ],
    );
  });
});

describe("a CSV with problems", () => {
  const long = "x".repeat(300_000);
  const cases: Record<string, [string | Buffer, [number, string | null, string][]]> = {
    "nothing at all": ["", [[1, null, "empty_file"]]],
    "blank lines only": ["\n\n  \n", [[1, null, "empty_file"]]],
    "a byte order mark only": ["\uFEFF", [[1, null, "empty_file"]]],
    "endless blank lines": ["\r\n".repeat(200_000), [[1, null, "empty_file"]]],
    "nothing, gzipped": [gzipSync(""), [[1, null, "empty_file"]]],
    "a header only": [`${HEADER}\n`, [[1, null, "no_products"]]],
    "a header only, without a line break": [HEADER, [[1, null, "no_products"]]],
    "a header only, below blank lines": [`\n\n${HEADER}\n\n`, [[3, null, "no_products"]]],
    "no image column": ["S. No,Product Name,Colour\n1,Mug,x\n", [[1, null, "no_image_column"]]],
    "no header": [`1,Mug,${A}\n`, [[1, null, "missing_header"]]],
    "no image in any row": [`${HEADER}\n1,Mug,\n2,Cup,\n`, [[1, null, "no_images"]]],
    "an image column twice": [
      `S. No,Product Name,Input Image Urls,Input Image Urls\n1,Mug,${A},${B}\n`,
      [[1, "Input Image Urls", "duplicate_column"]],
    ],
    "a quote that is never closed": [`${HEADER}\n1,Mug,${A}\n2,"Cup,${A}\n3,Pot,${A}\n`, [[3, null, "unclosed_quote"]]],
    "a quote in the header that is never closed": [`S. No,"Product Name,Input Image Urls\n1,Mug,${A}\n`, [[1, null, "unclosed_quote"]]],
    "text after a quote": [`${HEADER}\n1,Mug,${A}\n2,"Cup" blue,${A}\n`, [[3, null, "stray_quote"]]],
    "text after a quote in the header": [`"S. No" x,Product Name,Input Image Urls\n1,Mug,${A}\n`, [[1, null, "stray_quote"]]],
    "problems before a quote that is never closed": [
      `${HEADER}\n1,Mug,nowhere\n2,"Cup,${A}\n`,
      [
        [2, "Input Image Urls", "url_invalid"],
        [3, null, "unclosed_quote"],
      ],
    ],
    "text between two quoted parts": [`${HEADER}\n1,"Mug" "large",${A}\n`, [[2, null, "stray_quote"]]],
    "a NUL byte": [`${HEADER}\n1,Mug\0,${A}\n`, [[2, null, "not_csv"]]],
    "a NUL byte, CR alone": [`${HEADER}\r1,Mug\0,${A}\r`, [[2, null, "not_csv"]]],
    "a NUL byte in UTF-16": [Buffer.from(`\uFEFF${HEADER}\r1,Mug\0,${A}\r`, "utf16le"), [[2, null, "invalid_utf16"]]],
    "half a character of UTF-16": [
      Buffer.from(`\uFEFF${HEADER}\r\n1,Mug,${A}\r\n2,\uD83D,${A}\r\n`, "utf16le"),
      [[3, null, "invalid_utf16"]],
    ],
    "half a byte pair of UTF-16": [Buffer.from(`\uFEFF${HEADER}\n1,Mug,${A}\n2`, "utf16le").subarray(0, -1), [[3, null, "invalid_utf16"]]],
    "UTF-16 without a byte order mark": [Buffer.from(`${HEADER}\n1,Mug,${A}\n`, "utf16le"), [[1, null, "not_csv"]]],
    "UTF-8 that breaks off": [
      Buffer.concat([Buffer.from(`${HEADER}\n1,Müßli,${A}\n2,Tässe,${A}\n3,`), Buffer.from([0xe2, 0x82])]),
      [[4, null, "invalid_utf8"]],
    ],
    "a byte order mark and no UTF-8": [
      Buffer.concat([Buffer.from(`\uFEFF${HEADER}\n1,M`), Buffer.from([0xfc]), Buffer.from(`g,${A}\n`)]),
      [[2, null, "invalid_utf8"]],
    ],
    "a byte that no encoding has": [
      Buffer.concat([Buffer.from(`${HEADER}\r1,M`), Buffer.from([0x81]), Buffer.from(`g,${A}\r`)]),
      [[2, null, "invalid_utf8"]],
    ],
    "a surrogate in UTF-8": [
      Buffer.concat([Buffer.from(`${HEADER}\n1,M`), Buffer.from([0xed, 0xa0, 0xbd]), Buffer.from(`g,${A}\n`)]),
      [[2, null, "invalid_utf8"]],
    ],
    "too many cells": [`Input Image Urls,S. No,Product Name\n${A},1,Mug,extra\n`, [[2, null, "row_too_wide"]]],
    "a URL without scheme": [`${HEADER}\n1,Mug,shop.test/a.jpg\n`, [[2, "Input Image Urls", "url_invalid"]]],
    "a URL with a password": [`${HEADER}\n1,Mug,https://user:secret@shop.test/a.jpg\n`, [[2, "Input Image Urls", "url_invalid"]]],
    "a script and an image in an address": [
      `${HEADER}\n1,Mug,javascript:alert(1)\n2,Cup,data:image/png\n`,
      [
        [2, "Input Image Urls", "url_invalid"],
        [3, "Input Image Urls", "url_invalid"],
      ],
    ],
    "a header of more than a record": [`${HEADER},${long}\n1,Mug,${A},\n`, [[1, null, "row_too_long"]]],
    "a header that does not end": [`${HEADER},"${long}`, [[1, null, "unclosed_quote"]]],
    "too many columns": [`${HEADER}${",x".repeat(100_000)}\n1,Mug,${A}\n`, [[1, null, "too_many_columns"]]],
    "too many columns, with semicolons": [
      `${HEADER.replaceAll(",", ";")}${";x".repeat(100_000)}\n1;Mug;${A}\n`,
      [[1, null, "too_many_columns"]],
    ],
    "a gzip file that breaks off": [gzipSync(`${HEADER}\n1,Mug,${A}\n`).subarray(0, -12), [[1, null, "damaged_gzip"]]],
    "a gzip file within another": [gzipSync(gzipSync(HEADER)), [[1, null, "wrong_file_type"]]],
    "a gzip file that unpacks to a thousand times its size": [
      gzipSync(Buffer.alloc(10 * 1024 * 1024, `1,Mug,${A}\n`)),
      [[1, null, "unpacked_too_large"]],
    ],
  };
  for (const [name, [csv, expected]] of Object.entries(cases)) {
    test(`${name}: tells where and what, however it is cut`, async () => {
      assert.deepEqual(await problemsOf(csv), expected);
      assert.deepEqual(await problemsOf(csv, { chunks: [3_000] }), expected);
      if (csv.length < 1_000) assert.deepEqual(await problemsOf(csv, { chunks: [1] }), expected);
    });
  }

  const otherTypes: Record<string, [string | Buffer, RegExp]> = {
    "an Excel workbook": [Buffer.from("PK\x03\x04\x14\0\x06\0[Content_Types].xml", "latin1"), /Excel workbook \(\.xlsx\).*CSV UTF-8/],
    "an old Excel workbook": [Buffer.from("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "latin1"), /old Excel workbook/],
    "an OpenDocument table": [
      Buffer.from("PK\x03\x04\x14\0mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "latin1"),
      /OpenDocument/,
    ],
    "a ZIP archive": [Buffer.from("PK\x03\x04\x14\0\x06\0products.csv", "latin1"), /ZIP archive.*unpack/],
    "a PDF": ["%PDF-1.7\n", /PDF.*export/],
    "a PNG": [Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), /PNG.*URLs/],
    "a web page": ["\uFEFF\n<!DOCTYPE html>\n<html>", /web page.*sign-in/],
    XML: ['<?xml version="1.0"?><rss/>', /XML.*POST \/v1\/batches/],
    JSON: ['[ { "products": [] } ]', /JSON.*application\/json/],
  };
  for (const [name, [file, message]] of Object.entries(otherTypes)) {
    test(`${name} named .csv is told by its name, with a way out, gzipped and byte by byte too`, async () => {
      for (const bytes of [Buffer.from(file), gzipSync(file)]) {
        const reading = await readCsv(bytes, { chunks: [1] });
        assert.ok(!reading.ok);
        assert.equal(reading.problems[0]?.code, "wrong_file_type");
        assert.match(reading.problems[0]?.message ?? "", message);
      }
    });
  }

  test("never shows a password or a query again", async () => {
    const reading = await readCsv(`${HEADER}\n1,Mug,ftp://shop.test/a.jpg?signature=SECRET\n2,Mug,https://user:SECRET@shop.test\n`);
    assert.ok(!reading.ok);
    assert.equal(reading.problems.length, 2);
    assert.doesNotMatch(JSON.stringify(reading.problems), /SECRET/);
  });

  test("a bad URL can be skipped", async () => {
    assert.deepEqual(await productsOf(`${HEADER}\n1,Mug,"nowhere,${A}"\n`, { onInvalid: "skip" }), [["1", "Mug", ["nowhere", A]]]);
  });

  test("the first hundred problems are listed, the rest counted, and no product comes behind the first", async () => {
    const rows = Array.from({ length: 1_000 }, (_, index) => `${index},Mug,${index < 600 ? A : "nowhere"}\n`);
    const reading = await readCsv(`${HEADER}\n${rows.join("")}`);
    assert.ok(!reading.ok);
    assert.deepEqual([reading.problems.length, reading.problemCount, reading.found.length], [PROBLEMS_LISTED_MAX, 400, PRODUCTS_AT_ONCE]);
    assert.equal((await readCsv(`${HEADER}\n${rows.join("")}`, { goesOn: true })).found.length, 1_000);
  });

  test("every limit is told with its number", async () => {
    const rows = `${HEADER}\n1,Mug,"${A},${B}"\n2,Cup,${A}\n`;
    assert.deepEqual(await problemsOf(rows, { limits: { productsMax: 1 } }), [[3, null, "too_many_products"]]);
    assert.deepEqual(await problemsOf(rows, { limits: { imagesMax: 2 } }), [[3, null, "too_many_images"]]);
    assert.deepEqual(await problemsOf(rows, { limits: { urlsPerProductMax: 1 } }), [[2, "Input Image Urls", "too_many_urls"]]);
    assert.deepEqual(await problemsOf(rows, { limits: { columnsMax: 2 } }), [[1, null, "too_many_columns"]]);
    assert.deepEqual(await problemsOf(`${HEADER}\n1,${"x".repeat(2_000)},${A}\n`, { limits: { recordCharsMax: 1_000 } }), [
      [2, null, "row_too_long"],
    ]);
    assert.deepEqual(await problemsOf(`${HEADER}\n1,"${"x\n".repeat(2_000)}`, { limits: { recordCharsMax: 1_000 } }), [
      [2, null, "unclosed_quote"],
    ]);
    assert.deepEqual(await problemsOf(gzipSync(rows), { limits: { unpackedBytesMax: rows.length - 1 } }), [
      [1, null, "unpacked_too_large"],
    ]);
    assert.equal((await readCsv(gzipSync(rows), { limits: { unpackedBytesMax: rows.length } })).ok, true);
  });

  test("a source that breaks off is no problem of the file", async () => {
    for (const head of [Buffer.from(HEADER), gzipSync(HEADER).subarray(0, 20)]) {
      const open = async function* () {
        yield head;
        throw new Error("the disk is gone");
      };
      await assert.rejects(
        readCatalogue(open, { ...DEFAULT_READING, limits: CATALOGUE_LIMITS, onProducts: async () => {} }),
        /the disk is gone/,
      );
    }
  });
});

describe("an encoding", () => {
  const text = `S. No,Product Name,Input Image Urls,Währung\r\n1,"Tasse “groß”",${A},€\r\n`;
  for (const encoding of ENCODINGS) {
    test(`${encoding} is recognized, read and given back byte for byte`, async () => {
      const bytes = encodeText(encoding.startsWith("utf-16") ? `\uFEFF${text}` : text, encoding);
      const reading = await accepted(bytes);
      assert.deepEqual([reading.facts.encoding, reading.facts.header[3], reading.found[0]?.name], [encoding, "Währung", "Tasse “groß”"]);
      assert.deepEqual(writeResult(reading, "import"), bytes);
    });
  }

  test("of a file with one broken character among many whole ones is damaged UTF-8, wherever it stands", async () => {
    for (const chunks of [[1], [500], [100_000]]) {
      const bytes = Buffer.concat([
        Buffer.from(`${HEADER}\n1,${"ü".repeat(5_000)},${A}\n2,`),
        Buffer.from([0xfc, 0x20, 0xfc]),
        Buffer.from(`,${A}\n`),
      ]);
      assert.deepEqual(await problemsOf(bytes, { chunks }), [[3, null, "invalid_utf8"]]);
    }
  });
});

describe("however the bytes are cut", () => {
  // The beginning always comes in one piece: the cuts are behind it.
  const lead = `0,first,${A},${"-".repeat(HEAD_BYTES)}`;
  const sizes = (bytes: Buffer, chunks: readonly number[]) => [
    Math.max(1, bytes.length - chunks.reduce((sum, size) => sum + size, 0)),
    ...chunks,
  ];
  const cell = fc.string({ unit: fc.constantFrom("a", " ", '"', ",", ";", "\t", "\n", "\r\n", "\r", "é", "€", "ÿ", "="), maxLength: 12 });
  const wide = fc.string({ unit: fc.constantFrom("a", '"', "\r\n", "語", "😀", "\uFEFF", "é"), maxLength: 12 });
  const row = (note: fc.Arbitrary<string>) =>
    fc.record({
      serial: fc.stringMatching(/^[a-z0-9]{1,8}$/),
      name: fc.stringMatching(/^[a-z]{1,8}$/),
      note,
      urls: fc.array(fc.constantFrom(A, B), { maxLength: 3 }),
    });
  const table = (note: fc.Arbitrary<string>) => fc.array(row(note), { minLength: 1, maxLength: 6 });
  const file = fc.oneof(
    fc.record({ encoding: fc.constantFrom(...ENCODINGS), rows: table(cell) }),
    fc.record({ encoding: fc.constantFrom("utf-8" as const, "utf-16le" as const, "utf-16be" as const), rows: table(wide) }),
  );
  const format = fc.record({
    delimiter: fc.constantFrom(",", ";", "\t", "|", "~"),
    rowDelimiter: fc.constantFrom("\n", "\r\n", "\r"),
    quoteColumns: fc.boolean(),
    includeEndRowDelimiter: fc.boolean(),
  });

  test("a file is read the same, in every encoding", async () => {
    await fc.assert(
      fc.asyncProperty(
        file,
        format,
        fc.boolean(),
        fc.boolean(),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 30 }),
        async ({ encoding, rows }, format, hasMark, isPacked, chunks) => {
          const cells = rows.map(({ serial, name, note, urls }) => [serial, name, urls.join(", "), note]);
          const text = await writeToString([["S. No", "Product Name", "Input Image Urls", "Note"], lead.split(","), ...cells], {
            ...format,
            headers: false,
          });
          const bytes = encodeText(
            (hasMark && encoding !== "windows-1252") || encoding.startsWith("utf-16") ? `\uFEFF${text}` : text,
            encoding,
          );
          const [whole, inPieces, byBytes] = [
            await accepted(bytes),
            await accepted(isPacked ? gzipSync(bytes) : bytes, { chunks: isPacked ? chunks : sizes(bytes, chunks) }),
            await accepted(bytes, {
              chunks: sizes(
                bytes,
                Array.from({ length: 100 }, () => 1),
              ),
            }),
          ];
          assert.deepEqual(inPieces, whole);
          assert.deepEqual(byBytes, whole);
          assert.deepEqual(
            whole.found.slice(1).map(({ serial, name, urls }) => ({ serial, name, urls })),
            rows.map(({ serial, name, urls }) => ({ serial, name, urls })),
          );
        },
      ),
      { numRuns: 400 },
    );
  });

  test("random bytes get the same answer", async () => {
    const bytes = fc.array(
      fc.constantFrom(0x22, 0x2c, 0x0a, 0x0d, 0x61, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xed, 0xa0, 0x81, 0xff, 0xfe, 0x00, 0xf0, 0x9f),
      { maxLength: 40 },
    );
    const heads = ["utf-8", "utf-8 with mark", "utf-16le", "utf-16be"].map((name) =>
      encodeText(
        `${name === "utf-8" ? "" : "\uFEFF"}${HEADER},Note\r\n${lead}\r\n`,
        ENCODINGS.find((encoding) => encoding === name) ?? "utf-8",
      ),
    );
    await fc.assert(
      fc.asyncProperty(
        bytes,
        fc.constantFrom(...heads),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        async (tail, head, chunks) => {
          const file = Buffer.concat([head, Buffer.from(tail)]);
          const whole = await readCsv(file);
          assert.deepEqual(await readCsv(file, { chunks: sizes(file, chunks) }), whole);
          assert.deepEqual(await readCsv(file, { chunks: [head.length, 1] }), whole);
        },
      ),
      { numRuns: 1_500 },
    );
  });
});
