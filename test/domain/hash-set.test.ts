import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createHashSet, hash32, hash53 } from "../../src/domain/hash-set.ts";

describe("a set of hashes", () => {
  for (const isWide of [false, true]) {
    test(`knows each again, however many there are, ${isWide ? "wide" : "narrow"}`, () => {
      const hash = isWide ? hash53 : hash32;
      const hashes = [...new Set(Array.from({ length: 20_000 }, (_, index) => hash(`https://shop.test/${index}.jpg`)))];
      const set = createHashSet({ isWide });
      assert.ok(hashes.length > 19_900);
      assert.ok(hashes.every((hash) => set.add(hash)));
      assert.ok(hashes.every((hash) => !set.add(hash)));
      assert.equal(set.size, hashes.length);
    });
  }

  test("is filled with whole numbers from 1 that it can hold", () => {
    for (const text of ["", "a", "語", "x".repeat(10_000)]) {
      for (const [hash, bits] of [
        [hash32(text), 32],
        [hash53(text), 53],
      ] as const)
        assert.ok(Number.isInteger(hash) && hash > 0 && hash < 2 ** bits, `${hash}`);
    }
    assert.notEqual(hash53("a"), hash53("b"));
  });
});
