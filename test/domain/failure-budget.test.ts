import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  BUDGET_SETTLED_MIN,
  describeOnlyHeld,
  describeOverBudget,
  describeShareOverBudget,
  isOverBudget,
} from "../../src/domain/batch/failure-budget.ts";

const percents = fc.integer({ min: 1, max: 100 });
const some = fc.nat(1_000_000);
/** Failed at once, failed in an encoder, done, and come well but not settled. */
const counts = fc
  .tuple(some, some, some, some)
  .map(([early, failedLate, done, come]) => ({ settled: early + failedLate + done, failed: early + failedLate, failedLate, come }));
const of = (settled: number, failed: number, { failedLate = 0, come = 0 } = {}) => ({ settled, failed, failedLate, come });

describe("a failure budget", () => {
  test("is spent exactly where the share of failures is above what is allowed, after enough images", () => {
    fc.assert(
      fc.property(counts, percents, (found, percent) => {
        const { settled, failed, failedLate, come } = found;
        const worked = settled - failed + failedLate;
        const isOver = settled >= BUDGET_SETTLED_MIN && failed / (settled + come) > percent / 100;
        assert.equal(isOverBudget(found, percent), isOver || (worked >= BUDGET_SETTLED_MIN && failedLate / worked > percent / 100));
      }),
    );
    assert.deepEqual(
      [
        [19, 19],
        [20, 6],
        [20, 7],
      ].map(([settled = 0, failed = 0]) => isOverBudget(of(settled, failed), 30)),
      [false, false, true],
    );
  });

  test("is spent by failures only: a success never spends it, and another failure never refills it", () => {
    fc.assert(
      fc.property(counts, percents, (found, percent) => {
        const { settled, failed } = found;
        const worked = settled - failed + found.failedLate;
        fc.pre(settled >= BUDGET_SETTLED_MIN && worked >= BUDGET_SETTLED_MIN);
        const isSpent = isOverBudget(found, percent);
        if (!isSpent) assert.equal(isOverBudget({ ...found, settled: settled + 1 }, percent), false);
        else assert.equal(isOverBudget({ ...found, settled: settled + 1, failed: failed + 1 }, percent), true);
      }),
    );
  });

  test("is not spent by what fails at once while what was asked for beside it comes well", () => {
    assert.deepEqual(
      [0, 45, 46, 47].map((come) => isOverBudget(of(23, 21, { come }), 30)),
      [true, true, true, false],
    );
    assert.equal(
      describeOverBudget(of(23, 21, { come: 45 }), 30, null),
      "21 of 68 images failed (31 %), more than the 30 % that pauseAtFailurePercent allows.",
    );
  });

  test("is spent by what fails in the encoders, however much waits for one", () => {
    const found = of(60, 20, { failedLate: 16, come: 1_000 });
    assert.deepEqual(
      [27, 28, 29].map((percent) => isOverBudget(found, percent)),
      [true, true, false],
    );
    assert.equal(isOverBudget(of(24, 23, { failedLate: 15, come: 1_000 }), 30), false, "16 that were worked are too few to tell");
    assert.equal(
      describeShareOverBudget("cdn.example", found, 28, null),
      "16 of 56 images of cdn.example that had come failed (29 %), more than the 28 % that pauseHostAtFailurePercent allows.",
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
      describeOverBudget(of(100, 31), 30, { host: "cdn.example", code: "forbidden", failed: 16, of: 31 }),
      "31 of 100 images failed (31 %), more than the 30 % that pauseAtFailurePercent allows; mostly forbidden from cdn.example.",
    );
    assert.match(
      describeOverBudget(of(100, 31), 30, { host: "cdn.example", code: "forbidden", failed: 15, of: 31 }),
      /; most often forbidden from/,
    );
    assert.match(describeOverBudget(of(10_000, 3_001), 30, null), /\(30\.01 %\), more than the 30 % that pauseAtFailurePercent allows\.$/);
    fc.assert(
      fc.property(counts, percents, (found, percent) => {
        fc.pre(isOverBudget(found, percent));
        const [, shown] = /\((\S+) %\)/.exec(describeOverBudget(found, percent, null)) ?? [];
        const { settled, failed, failedLate, come } = found;
        const rates = [failed / (settled + come), failedLate / (settled - failed + failedLate)];
        assert.ok(Number(shown) > percent && rates.some((rate) => Math.abs(Number(shown) - 100 * rate) <= 0.5));
      }),
    );
  });

  test("of one host says of which and why; a batch of which nothing else is left names the hosts that it waits for", () => {
    const counts = of(10_000, 3_001);
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
