import assert from "node:assert/strict";
import { test } from "node:test";
import { forgetOldest } from "../../src/domain/forget-oldest.ts";

test("what was put in first goes where there is more than may be", () => {
  const hosts = new Map([["first", 1]]);
  hosts.set("second", 2);
  assert.equal(forgetOldest(hosts, 2), undefined);
  assert.deepEqual([...hosts.keys()], ["first", "second"]);
  hosts.set("third", 3);
  assert.equal(forgetOldest(hosts, 2), "first");
  assert.deepEqual([...hosts.keys()], ["second", "third"]);
});
