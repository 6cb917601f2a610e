import assert from "node:assert/strict";
import { test } from "node:test";
import { loadOnce } from "../../src/wire/load-once.ts";

test("what is loaded once is loaded for all, but a failure is not kept", async () => {
  let loads = 0;
  const load = loadOnce(async () => {
    loads += 1;
    if (loads === 1) throw new Error("too many open files");
    return loads;
  });
  const together = await Promise.allSettled([load(), load()]);
  assert.deepEqual(
    together.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  assert.deepEqual(await Promise.all([load(), load()]), [2, 2]);
  assert.equal(await load(), 2);
});
