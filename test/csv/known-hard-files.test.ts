import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { describe, test } from "node:test";
import { writeToString } from "fast-csv";
import { encodeText } from "../../src/csv/text-encoding.ts";
import type { Encoding } from "../../src/domain/batch/catalogue-facts.ts";
import { readCsv, rowsByFastCsv, writeResult } from "../support/csv.ts";

const require = createRequire(import.meta.url);
const IMAGE = "https://shop.test/a.jpg";
const ENCODINGS: Encoding[] = ["utf-8", "utf-16le", "utf-16be"];

/** Reads a file whose column `Image` has the images, and looks whether each row comes back as it was, in both shapes. */
async function assertUnchanged(text: string, rows: readonly (readonly string[])[], encoding: Encoding, delimiter = ","): Promise<void> {
  const bytes = encodeText(encoding === "utf-8" ? text : `\uFEFF${text}`, encoding);
  const reading = await readCsv(bytes, { wishes: { images: ["Image"], name: null, id: null } });
  assert.ok(reading.ok, JSON.stringify(reading));
  assert.equal(reading.facts.encoding, encoding);
  assert.deepEqual(writeResult(reading, "import"), bytes);
  const appended = new TextDecoder(encoding).decode(writeResult(reading, "append"));
  const width = reading.facts.header.length;
  assert.deepEqual(
    (await rowsByFastCsv(appended, delimiter)).map((row) => row.slice(0, width)),
    rows,
  );
}

describe("csv-spectrum", () => {
  const folder = dirname(require.resolve("csv-spectrum"));
  const files = readdirSync(join(folder, "csvs")).filter((name) => name.endsWith(".csv"));

  test("has the twelve files that are tested here", () => assert.equal(files.length, 12));

  for (const file of files) {
    const name = basename(file, ".csv");
    const given = JSON.parse(readFileSync(join(folder, "json", `${name}.json`), "utf8")) as
      Record<string, string> | Record<string, string>[];
    // The package has a row instead of rows for this one file, and another telephone number in it.
    const expected = Array.isArray(given) ? given : [{ ...given, "Contact Phone Number": "2095257564" }];
    for (const newline of ["\n", "\r\n"]) {
      for (const encoding of ENCODINGS) {
        test(`${name} comes back unchanged, ${JSON.stringify(newline)}, ${encoding}`, async () => {
          const text = withImages(readFileSync(join(folder, "csvs", file), "utf8"), newline);
          const header = Object.keys(expected[0] ?? {});
          const rows = [["Image", ...header], ...expected.map((row) => [IMAGE, ...header.map((key) => row[key] ?? "")])];
          await assertUnchanged(
            text,
            rows.map((row) => row.map((cell) => cell.replaceAll(/\r?\n/g, newline))),
            encoding,
          );
        });
      }
    }
  }

  /** The file with an image column in front, in one kind of line breaks. */
  function withImages(csv: string, newline: string): string {
    let isInQuotes = false;
    const lines = csv
      .replace(/\r?\n$/, "")
      .split(/\r?\n/)
      .map((line, index) => {
        const prefix = isInQuotes ? "" : `${index === 0 ? "Image" : IMAGE},`;
        if ((line.split('"').length - 1) % 2 === 1) isInQuotes = !isInQuotes;
        return prefix + line;
      });
    return lines.join(newline) + newline;
  }

  test("location_coordinates, whose degree signs its author lost, comes back as it stands, in Windows-1252 with real ones too", async () => {
    const csv = withImages(readFileSync(join(folder, "csvs", "location_coordinates.csv"), "utf8"), "\r\n").replaceAll("\uFFFD", "°");
    const bytes = encodeText(csv, "windows-1252");
    const reading = await readCsv(bytes);
    assert.ok(reading.ok);
    assert.equal(reading.facts.encoding, "windows-1252");
    assert.deepEqual(writeResult(reading, "import"), bytes);
  });
});

describe("the big list of naughty strings", () => {
  const strings = require("big-list-of-naughty-strings") as string[];

  test("is there", () => assert.ok(strings.length > 400));

  for (const newline of ["\n", "\r\n"]) {
    for (const encoding of ENCODINGS) {
      for (const quoteColumns of [true, false]) {
        test(`comes back unchanged as names and cells, ${JSON.stringify(newline)}, ${encoding}, ${quoteColumns ? "all quoted" : "quoted where needed"}`, async () => {
          const rows = [["Image", "Name", "Note", "Id"], ...strings.map((text, index) => [IMAGE, text, text, `${index}`])];
          const csv = await writeToString(rows, { headers: false, quoteColumns, rowDelimiter: newline, includeEndRowDelimiter: true });
          await assertUnchanged(csv, rows, encoding);
        });
      }
    }
  }

  test("gives the names as they are, without blanks around them", async () => {
    const csv = await writeToString([["Name", "Image"], ...strings.map((text) => [text, IMAGE])], { headers: false, quoteColumns: true });
    const { found } = await readCsv(csv);
    assert.deepEqual(
      found.map(({ name }) => name),
      strings.map((text) => text.trim()),
    );
  });

  test("comes back unchanged as headers of other columns", async () => {
    const headers = strings.filter((text) => !/^(https?:)?\/\//.test(text));
    const rows = [
      ["Image", ...headers],
      [IMAGE, ...headers],
    ];
    const csv = await writeToString(rows, { headers: false, quoteColumns: true, includeEndRowDelimiter: true });
    await assertUnchanged(csv, rows, "utf-8");
  });

  test("holds nothing that a text file cannot; with a NUL or half a character behind them, each gets its exact fault", async () => {
    for (const text of strings) {
      const csv = `Image,Name\n${IMAGE},"${text.replaceAll('"', '""')}`;
      const faults = [];
      for (const bytes of [
        Buffer.from(`${csv}\0"\n`),
        Buffer.from(`\uFEFF${csv}\0"\n`, "utf16le"),
        Buffer.from(`\uFEFF${csv}\uD800"\n`, "utf16le"),
        Buffer.concat([Buffer.from(csv), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"\n')]),
      ]) {
        const reading = await readCsv(bytes);
        faults.push(reading.ok ? "accepted" : `${reading.problems[0]?.line} ${reading.problems[0]?.code}`);
      }
      assert.deepEqual(faults, ["2 not_csv", "2 invalid_utf16", "2 invalid_utf16", "2 invalid_utf8"], JSON.stringify(text));
    }
  });
});
