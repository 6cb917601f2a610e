import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { errorCode } from "../../src/domain/error-code.ts";

test("an error's code is what Node gave it, and nothing where it has none or a number", () => {
  assert.throws(
    () => readFileSync("/no/such/file"),
    (error) => errorCode(error) === "ENOENT",
  );
  // An AbortError of the web has the number 20.
  for (const other of [new Error("bare"), new DOMException("gone", "AbortError"), { code: "ENOENT" }, null, "ENOENT"])
    assert.equal(errorCode(other), "");
});
