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

test("what Node has no name for is called as the system calls it", () => {
  const named = (code: string, errno: number) => errorCode(Object.assign(new Error(code), { code, errno }));
  // As Node 24 says it of writeSync and of write.
  assert.deepEqual([named("UNKNOWN", -122), named("Unknown system error -122", -122)], ["EDQUOT", "EDQUOT"]);
  assert.deepEqual([named("UNKNOWN", -116), named("UNKNOWN", -9_999), named("ENOENT", -2)], ["ESTALE", "UNKNOWN", "ENOENT"]);
});
