import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  BUDGET_SETTLED_MIN,
  describeOnlyHeld,
  describeOverBudget,
  describeShareOverBudget,
  isOverBudget,
} from "../../src/domain/failure-budget.ts";

const percents = fc.integer({ min: 1, max: 100 });
const counts = fc.tuple(fc.nat(1_000_000), fc.nat(1_000_000)).map(([failed, done]) => ({ settled: failed + done, failed }));

describe("a failure budget", () => {
  test("is spent exactly where the share of failures is above what is allowed, after enough images", () => {
    fc.assert(
      fc.property(counts, percents, (found, percent) => {
        assert.equal(isOverBudget(found, percent), found.settled >= BUDGET_SETTLED_MIN && found.failed / found.settled > percent / 100);
      }),
    );
    assert.deepEqual(
      [
        [19, 19],
        [20, 6],
        [20, 7],
      ].map(([settled = 0, failed = 0]) => isOverBudget({ settled, failed }, 30)),
      [false, false, true],
    );
  });

  test("is spent by failures only: a success never spends it, and another failure never refills it", () => {
    fc.assert(
      fc.property(counts, percents, ({ settled, failed }, percent) => {
        fc.pre(settled >= BUDGET_SETTLED_MIN);
        const isSpent = isOverBudget({ settled, failed }, percent);
        if (!isSpent) assert.equal(isOverBudget({ settled: settled + 1, failed }, percent), false);
        else assert.equal(isOverBudget({ settled: settled + 1, failed: failed + 1 }, percent), true);
      }),
    );
  });

  test("that allows more pauses no earlier; one of 100, or none at all, never pauses", () => {
    fc.assert(
      fc.property(counts, percents, percents, (found, one, other) => {
        const [lower, higher] = [Math.min(one, other), Math.max(one, other)];
        if (isOverBudget(found, higher)) assert.ok(isOverBudget(found, lower));
        assert.equal(isOverBudget(found, 100), false);
        assert.equal(isOverBudget(found, null), false);
      }),
    );
  });

  test("says why, and never a rate that would have been allowed", () => {
    assert.equal(
      describeOverBudget({ settled: 100, failed: 31 }, 30, { host: "cdn.example", code: "forbidden", failed: 16, of: 31 }),
      "31 of 100 images failed (31 %), more than the 30 % that pauseAtFailurePercent allows; mostly forbidden from cdn.example.",
    );
    assert.match(
      describeOverBudget({ settled: 100, failed: 31 }, 30, { host: "cdn.example", code: "forbidden", failed: 15, of: 31 }),
      /; most often forbidden from/,
    );
    assert.match(
      describeOverBudget({ settled: 10_000, failed: 3_001 }, 30, null),
      /\(30\.01 %\), more than the 30 % that pauseAtFailurePercent allows\.$/,
    );
    fc.assert(
      fc.property(counts, percents, (found, percent) => {
        fc.pre(isOverBudget(found, percent));
        const [, shown] = /\((\S+) %\)/.exec(describeOverBudget(found, percent, null)) ?? [];
        assert.ok(Number(shown) > percent && Math.abs(Number(shown) - (100 * found.failed) / found.settled) <= 0.5);
      }),
    );
  });

  test("of one host says of which and why; a batch of which nothing else is left names the hosts that it waits for", () => {
    const counts = { settled: 10_000, failed: 3_001 };
    const pauseReason = describeShareOverBudget("cdn.example", counts, 30, { code: "forbidden", failed: 2, of: 3 });
    assert.equal(
      pauseReason,
      "3001 of 10000 images of cdn.example failed (30.01 %), more than the 30 % that pauseHostAtFailurePercent allows; mostly forbidden.",
    );
    assert.match(describeShareOverBudget("cdn.example", counts, 30, { code: "forbidden", failed: 1, of: 2 }), /; most often forbidden\.$/);
    assert.match(describeShareOverBudget("cdn.example", counts, 30, null), /pauseHostAtFailurePercent allows\.$/);
    const shares = ["a", "b", "c", "d"].map((name, index) => ({ host: `${name}.example`, pauseReason, imagesHeld: 9 - index }));
    assert.equal(
      describeOnlyHeld(shares.slice(0, 1), { hostsPaused: 1, imagesHeld: 9 }),
      `Nothing is left to try but 9 images of a.example, which is paused: ${pauseReason}`,
    );
    assert.equal(
      describeOnlyHeld(shares.slice(0, 2), { hostsPaused: 2, imagesHeld: 17 }),
      "Nothing is left to try but 17 images of 2 paused hosts: a.example (9), b.example (8).",
    );
    assert.equal(
      describeOnlyHeld(shares, { hostsPaused: 500, imagesHeld: 1_024 }),
      "Nothing is left to try but 1024 images of 500 paused hosts: a.example (9), b.example (8), c.example (7), ….",
    );
  });
});
