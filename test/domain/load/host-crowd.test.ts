import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createHostCrowd } from "../../../src/domain/load/host-crowd.ts";

/** A host that is asked for so many at once, and has been done with one, at 0. */
function crowdOf({ value = 32, gapMs = 0, ms = 0 }) {
  const crowd = createHostCrowd({ value }, { gapMs });
  crowd.onBegin(0);
  if (ms > 0) crowd.onEnd(ms, 0);
  return crowd;
}

describe("how many may wait for a host", () => {
  test("are as many as it gives in five seconds, and as many as it is asked for at once", () => {
    assert.equal(crowdOf({ ms: 20 }).mayWait(0), 8_000);
    assert.equal(crowdOf({ ms: 300 }).mayWait(0), 533);
    assert.equal(crowdOf({ ms: 2_000 }).mayWait(0), 80);
    assert.equal(crowdOf({ ms: 5_000, value: 64 }).mayWait(0), 64);
    assert.equal(crowdOf({ ms: 60_000 }).mayWait(0), 32);
    assert.equal(crowdOf({ ms: 30, value: 1.5, gapMs: 100 }).mayWait(0), 50);
  });

  test("become fewer the longer a host lets us wait for its first image", () => {
    const crowd = crowdOf({});
    assert.equal(crowd.mayWait(0), Infinity);
    assert.deepEqual(
      [100, 1_000, 2_000, 60_000].map((now) => crowd.mayWait(now)),
      [1_600, 160, 80, 32],
    );
    crowd.onEnd(100, 60_000);
    assert.equal(crowd.mayWait(60_000), 1_600);
  });

  test("come back one after the other, as the host gives them, half a second's together", () => {
    const crowd = crowdOf({ ms: 5_000 });
    const returns = Array.from({ length: 160 }, () => crowd.returnMs(0));
    assert.equal(returns[0], 3_000);
    assert.equal(returns[159], 27_500, "2.5 s and 160 times 5 s, 32 at once");
    assert.deepEqual(
      returns,
      returns.toSorted((one, other) => one - other),
    );
    // Those who are turned away later come after them, and as slowly as it has been quiet for.
    assert.equal(crowd.returnMs(10_000), 18_000);
    // Where it has nothing to do they are not waited for.
    crowd.onBegin(11_000);
    assert.equal(crowd.returnMs(11_000), 3_000);
  });

  test("are away for half a minute at most, and not all of them as long", () => {
    const crowd = crowdOf({ ms: 30_000 });
    const returns = Array.from({ length: 2_000 }, () => crowd.returnMs(0));
    assert.ok(returns.every((ms) => ms >= 2_500 && ms <= 30_000));
    const together = [...Map.groupBy(returns, (ms) => ms).values()].map(({ length }) => length);
    assert.ok(Math.max(...together) < 150);
    // However often they were turned away, that is over soon after.
    crowd.onEnd(20, 70_000);
    assert.ok(crowd.returnMs(70_000) < 10_000);
  });
});
