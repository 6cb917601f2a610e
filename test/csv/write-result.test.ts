import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseString } from "fast-csv";
import { createResultWriter } from "../../src/csv/write-result.ts";
import type { CatalogueFacts } from "../../src/csv/read-catalogue.ts";

const FACTS: CatalogueFacts = {
  header: ["S. No", "Product Name", "Input Image Urls"], headerLine: 1, columns: { serial: 0, name: 1, urls: 2 },
  delimiter: ",", encoding: "utf-8", hasBom: false, newline: "\n", products: 1, images: 1,
};

const rowsOf = (csv: string, delimiter = ",") =>
  new Promise<string[][]>((resolve, reject) => {
    const rows: string[][] = [];
    parseString<string[], string[]>(csv, { delimiter, headers: false }).on("data", (row) => rows.push(row)).on("error", reject).on("end", () => resolve(rows));
  });

describe("the result CSV", () => {
  test("keeps every row and cell as it came and adds three columns, positions held by empty places", async () => {
    const writer = createResultWriter(FACTS);
    const cells = [" 1 ", '=cmd|"x"', "https://a.test/1,https://a.test/2,https://a.test/3"];
    const csv = writer.header() + writer.row(cells, { outputs: ["https://o/1.jpg", null, "https://o/3.jpg"], status: "partial", errors: ["2: not_found: gone"] });
    assert.deepEqual(await rowsOf(csv), [
      ["S. No", "Product Name", "Input Image Urls", "Output Image Urls", "Status", "Errors"],
      [...cells, "https://o/1.jpg,,https://o/3.jpg", "partial", "2: not_found: gone"],
    ]);
  });

  test("is written as the upload was: delimiter, line ends, byte order mark", () => {
    const writer = createResultWriter({ ...FACTS, delimiter: ";", newline: "\r\n", hasBom: true });
    assert.equal(writer.header(), "\uFEFFS. No;Product Name;Input Image Urls;Output Image Urls;Status;Errors\r\n");
    assert.equal(writer.row(["1", "Mug;Cup", "u"], { outputs: ["o"], status: "completed", errors: [] }), '1;"Mug;Cup";u;o;completed;\r\n');
  });

  test("defuses only what we add", () => {
    const writer = createResultWriter(FACTS);
    assert.equal(writer.row(["=1", "+2", "@u"], { outputs: [null], status: "failed", errors: ["=HYPERLINK(1)"] }), "=1,+2,@u,,failed,'=HYPERLINK(1)\n");
  });

  test("has its columns beside those of an earlier result", () => {
    const writer = createResultWriter({ ...FACTS, header: [...FACTS.header, "Output Image Urls", "Status", "Errors"] });
    assert.match(writer.header(), /Output Image Urls 2,Status 2,Errors 2\n$/);
  });

  test("brings URLs that ran into cells of their own back into one, and fills short rows", async () => {
    const writer = createResultWriter(FACTS);
    const result = { outputs: ["o"], status: "completed", errors: [] };
    assert.deepEqual(await rowsOf(writer.row(["1", "Mug", "https://a.test/1", "https://a.test/2"], result)), [["1", "Mug", "https://a.test/1,https://a.test/2", "o", "completed", ""]]);
    assert.deepEqual(await rowsOf(writer.row(["1"], result)), [["1", "", "", "o", "completed", ""]]);
  });
});
