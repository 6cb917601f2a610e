import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { writeToString } from "fast-csv";
import { RecordReader } from "../../src/csv/record-reader.ts";
import { cellsOf, isQuoted, type CsvRecord, type RecordFault } from "../../src/csv/scan-record.ts";
import { rowsByFastCsv } from "../support/csv.ts";

const DELIMITERS = [",", ";", "\t", "|", "~"] as const;
const ROW_DELIMITERS = ["\n", "\r\n", "\r"] as const;

type Rules = { delimiter?: string; columnsMax?: number; recordCharsMax?: number };

/** Records of a text that comes in pieces of `size` characters. */
function scan(
  text: string,
  { delimiter = ",", columnsMax = 1_000, recordCharsMax = 1024 * 1024 }: Rules = {},
  size = Math.max(1, text.length),
): { records: CsvRecord[]; fault: RecordFault | null } {
  const reader = new RecordReader({ delimiter, columnsMax, recordCharsMax, lines: "physical" });
  const records: CsvRecord[] = [];
  for (let at = 0; at < text.length; at += size) {
    const read = reader.push(text.slice(at, at + size));
    records.push(...read.records);
    if (read.fault) return { records, fault: read.fault };
  }
  const rest = reader.end();
  return { records: [...records, ...rest.records], fault: rest.fault };
}

function rowsOf(text: string, rules: Rules = {}): string[][] {
  const { records, fault } = scan(text, rules);
  assert.equal(fault, null);
  return records.map(cellsOf);
}

describe("a record", () => {
  const cases: Record<string, [string, string[][]]> = {
    "of empty cells": [",,\n", [["", "", ""]]],
    "without a line break": ["a,b", [["a", "b"]]],
    "that ends with a delimiter": [
      "a,\nb,",
      [
        ["a", ""],
        ["b", ""],
      ],
    ],
    "with line breaks of every kind": ["a\nb\r\nc\rd", [["a"], ["b"], ["c"], ["d"]]],
    "with line breaks in quotes": ['"a\r\nb","c\rd"\r\n', [["a\r\nb", "c\rd"]]],
    "with doubled quotes": ['"""a""",""""\n', [['"a"', '"']]],
    "with an empty quoted cell": ['"",""\n', [["", ""]]],
    "with a quote within an unquoted cell": ['5" disk,a"b"\n', [['5" disk', 'a"b"']]],
    "with an unquoted cell behind one that ends in a quote": [
      'a",b\n"a""",b\n',
      [
        ['a"', "b"],
        ['a"', "b"],
      ],
    ],
    "with blanks around quotes": [' \t"a" \u00A0,\u3000"b"\u2009\n', [["a", "b"]]],
    "with blanks around unquoted cells": [" a , b \n", [[" a ", " b "]]],
    "with nothing but blanks": [" \n\t,\n", [[" "], ["\t", ""]]],
  };
  for (const [name, [text, rows]] of Object.entries(cases)) {
    test(`${name} is cut into its cells`, () => assert.deepEqual(rowsOf(text), rows));
  }

  test("whose delimiter is a tab does not lose it as a blank", () => {
    assert.deepEqual(rowsOf('\t\t"a"\t\n', { delimiter: "\t" }), [["", "", "a", ""]]);
  });

  test("knows which of its cells are quoted, also where an unquoted one begins behind a quote", () => {
    const { records } = scan('"a",b","c",""""\n');
    assert.deepEqual(
      records.map(({ text, spans }) => spans.filter((_, index) => index % 2 === 0).map((start) => isQuoted(text, start))),
      [[true, false, true, true]],
    );
  });

  test("has the line that an editor shows", () => {
    const { records } = scan('a\r\n"b\r\nb\nb\rb"\r\rc\nd');
    assert.deepEqual(
      records.map(({ line }) => line),
      [1, 2, 6, 7, 8],
    );
  });
});

describe("a fault", () => {
  const cases: Record<string, [string, Rules, RecordFault["code"], number]> = {
    "an unclosed quote": ['a\n"b\n\nc', {}, "unclosed_quote", 2],
    "an unclosed quote in a later cell": ['a\n"b\n\nc","d', {}, "unclosed_quote", 4],
    "text behind a quote": ['a\n"b\nb"c\n', {}, "stray_quote", 3],
    "a quote behind a quote": ['"b" "c"\n', {}, "stray_quote", 1],
    "a cell too many": ["a,b,c\na,b,c,d\n", { columnsMax: 3 }, "too_many_columns", 2],
    "a character too many": [`a\n${"b".repeat(10)}\n`, { recordCharsMax: 10 }, "row_too_long", 2],
    "a quote that is closed too late": [`a\n"${"b".repeat(10)}"\n`, { recordCharsMax: 10 }, "unclosed_quote", 2],
    "text behind a quote, beyond the cap": [`a\n"${"b".repeat(10)}"c\n`, { recordCharsMax: 8 }, "unclosed_quote", 2],
  };
  for (const [name, [text, rules, code, line]] of Object.entries(cases)) {
    test(`that is ${name} is told with its line`, () => {
      const { fault } = scan(text, rules);
      assert.deepEqual([fault?.code, fault?.line], [code, line]);
    });
  }

  test("does not depend on how the text was cut into pieces", () => {
    const text = fc.string({ unit: fc.constantFrom("a", " ", '"', '"', ",", "\n", "\r"), maxLength: 60 });
    fc.assert(
      fc.property(
        text,
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 20 }),
        (text, recordCharsMax, columnsMax, size) => {
          assert.deepEqual(scan(text, { recordCharsMax, columnsMax }, size), scan(text, { recordCharsMax, columnsMax }));
        },
      ),
      { numRuns: 3_000 },
    );
  });
});

describe("the scanner and fast-csv", () => {
  const cell = fc.string({
    unit: fc.constantFrom("a", "b", " ", '"', ",", ";", "\t", "|", "~", "\n", "\r", "\r\n", "é", "語", "😀", "\u00A0", "'", "="),
    maxLength: 8,
  });
  const table = fc
    .integer({ min: 1, max: 5 })
    .chain((width) => fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 6 }));

  test("agree on every table that its writer can write", async () => {
    await fc.assert(
      fc.asyncProperty(
        table,
        fc.constantFrom(...DELIMITERS),
        fc.constantFrom(...ROW_DELIMITERS),
        fc.boolean(),
        fc.boolean(),
        fc.boolean(),
        async (rows, delimiter, rowDelimiter, quoteColumns, writeBOM, ends) => {
          // An empty cell alone at the very end cannot be told from no row.
          const includeEndRowDelimiter = ends || rows.at(-1)?.join("") === "";
          const text = await writeToString(rows, {
            delimiter,
            rowDelimiter,
            quoteColumns,
            writeBOM,
            includeEndRowDelimiter,
            headers: false,
          });
          assert.deepEqual(rowsOf(writeBOM ? text.slice(1) : text, { delimiter }), rows);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("agree cell by cell on random texts, and on which of them are none", async () => {
    const text = fc.string({
      unit: fc.constantFrom("a", " ", '"', '"', ",", ",", ";", "\t", "\n", "\r", "\r\n", "é", "\u00A0", "\f"),
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(text, fc.constantFrom(",", ";", "\t"), async (text, delimiter) => {
        const { records, fault } = scan(text, { delimiter });
        const theirs = await rowsByFastCsv(text, delimiter).catch(() => null);
        assert.equal(fault !== null, theirs === null, JSON.stringify({ fault, theirs }));
        if (theirs) assert.deepEqual(withoutEnd(records.map(asFastCsvHasIt)), withoutEnd(theirs));
      }),
      { numRuns: 3_000 },
    );
  });

  /** fast-csv drops blanks that begin a row, if nothing but a delimiter or a line break follows. */
  function asFastCsvHasIt(record: CsvRecord): string[] {
    const [first = "", ...others] = cellsOf(record);
    const isBlank = first.trim() === "" && !isQuoted(record.text, record.spans[0] ?? 0);
    if (isBlank) return others.length === 0 ? [] : ["", ...others];
    return [first, ...others];
  }

  /** And what is blank at the end of the text. */
  function withoutEnd(rows: string[][]): string[][] {
    return rows.slice(0, rows.findLastIndex((row) => row.length > 0) + 1);
  }
});
