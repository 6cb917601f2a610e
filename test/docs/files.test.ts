import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { DIALECTS } from "../../src/csv/dialects/all.ts";
import { CATALOGUE_LIMITS } from "../../src/csv/limits.ts";
import { CSV_PROBLEM_CODES, UPLOAD_WARNING_CODES } from "../../src/domain/batch/csv-problem.ts";
import { IMAGE_CODES } from "../../src/domain/image/image-code.ts";

const page = await readFile(new URL("../../docs/files.md", import.meta.url), "utf8");

/** The rows of the table below a heading, without its head. */
function rowsBelow(heading: string): string[] {
  const [, rest = ""] = page.split(`\n## ${heading}\n`);
  return (rest.split("\n## ")[0] ?? "")
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .slice(2);
}

describe("docs/files.md", () => {
  test("has every code that an image can fail with, with its message and whether it is tried again", () => {
    assert.deepEqual(
      rowsBelow("Why an image failed"),
      Object.entries(IMAGE_CODES).map(([code, { message, retry }]) => `| \`${code}\` | ${message} | ${retry ? "yes" : "no"} |`),
    );
  });

  test("has every code that a file can be refused with, or be accepted with as a warning", () => {
    const codes = rowsBelow("Why a file was refused").map((row) => /^\| `(\w+)` \| [A-Z].*\. \|$/.exec(row)?.[1]);
    assert.deepEqual(
      codes.filter((code) => code !== undefined),
      [...CSV_PROBLEM_CODES, ...UPLOAD_WARNING_CODES],
    );
  });

  test("says the limits of a file as they are", () => {
    const rows = rowsBelow("Why a file was refused");
    const limits = { row_too_long: "recordCharsMax", too_many_columns: "columnsMax", too_many_urls: "urlsPerProductMax" } as const;
    const totals = { too_many_products: "productsMax", too_many_images: "imagesMax" } as const;
    for (const [code, name] of Object.entries({ ...limits, ...totals })) {
      const row = rows.find((line) => line.startsWith(`| \`${code}\``));
      assert.ok(row?.includes(` ${CATALOGUE_LIMITS[name].toLocaleString("en")} `), `${code}: ${row}`);
    }
  });

  test("has every dialect", () => {
    const cells = rowsBelow("What is taken").map((row) => row.split("|")[1] ?? "");
    const listed = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name));
    assert.deepEqual(listed.toSorted(), DIALECTS.map(({ name }) => name).toSorted());
  });
});
