import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createReservoir } from "../../src/domain/batch/reservoir.ts";
import { seededRandom } from "../support/random.ts";

function drawFrom(items: readonly number[], size: number, random: () => number): number[] {
  const reservoir = createReservoir<number>(size, random);
  for (const item of items) reservoir.offer(item);
  return reservoir.draw();
}

describe("a reservoir", () => {
  test("holds as many different items as it may and as there are", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer(), { maxLength: 300 }), fc.nat(50), fc.integer(), (items, size, seed) => {
        const drawn = drawFrom(items, size, seededRandom(seed));
        assert.equal(drawn.length, Math.min(size, items.length));
        assert.equal(new Set(drawn).size, drawn.length);
        assert.ok(drawn.every((item) => items.includes(item)));
      }),
    );
  });

  test("holds each item with the same chance, and in each place", () => {
    const random = seededRandom(7);
    const [items, size, draws] = [20, 5, 20_000];
    const seen = Array.from({ length: items }, () => 0);
    const first = Array.from({ length: items }, () => 0);
    for (let draw = 0; draw < draws; draw += 1) {
      const drawn = drawFrom(
        seen.map((_, item) => item),
        size,
        random,
      );
      for (const item of drawn) seen[item] = (seen[item] ?? 0) + 1;
      first[drawn[0] ?? 0] = (first[drawn[0] ?? 0] ?? 0) + 1;
    }
    // Five standard deviations of a binomial: 300 for the sample, 154 for its first place.
    for (const count of seen) assert.ok(Math.abs(count - (draws * size) / items) < 310, `${count}`);
    for (const count of first) assert.ok(Math.abs(count - draws / items) < 160, `${count}`);
  });
});
