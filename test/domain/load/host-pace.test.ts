import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createHostPace } from "../../../src/domain/load/host-pace.ts";

/** Whether a host gives what it is asked for at this time. */
type Gives = (at: number) => boolean;

/** nginx's limit_req: what comes sooner than `ms` after what was given last is refused. */
const limitOf = (ms: number, from = -Infinity): Gives => {
  let gaveAt = from;
  return (at) => {
    const gives = at - gaveAt >= ms;
    if (gives) gaveAt = at;
    return gives;
  };
};

/** Asks for one at a time; an answer takes `ms`, a refusal no time, and then `pauseMs`. */
type Times = { ms: number; until: number; from?: number; pauseMs?: number };

function ask(pace: ReturnType<typeof createHostPace>, gives: Gives, { ms, until, from = 0, pauseMs = 0 }: Times) {
  const seen = { given: 0, refused: 0, unborne: 0 };
  for (let now = from; now < until;) {
    now += pace.takeTurn(now, true);
    if (gives(now)) {
      now += ms;
      pace.onAnswer(ms);
      pace.onSuccess(now);
      seen.given += 1;
    } else {
      seen.refused += 1;
      now += 0.1;
      now += pauseMs;
      if (pace.onRefused(now - pauseMs)) continue;
      // It is paused.
      seen.unborne += 1;
      now += 1_000;
    }
  }
  return seen;
}

describe("the pace of a host", () => {
  for (const perSecond of [1.5, 2, 10, 30, 100])
    test(`comes near a limit of ${perSecond} requests a second that takes no burst, whatever the time of an answer`, () => {
      for (const ms of [1, 5, 30, 300].filter((time) => time < 1_000 / perSecond)) {
        const pace = createHostPace();
        const first = ask(pace, limitOf(1_000 / perSecond), { ms, until: 60_000 });
        assert.ok(first.given >= 0.75 * perSecond * 60, `${first.given} given at ${ms} ms`);
        assert.ok(first.refused <= 20 + 0.2 * first.given, `${first.refused} refused beside ${first.given} at ${ms} ms`);
        assert.equal(first.unborne, 0, "it need not be paused as well");
        assert.ok(pace.gapMs > 0);
      }
    });

  test("is kept where answers take longer than it now and then", () => {
    const pace = createHostPace();
    const gives = limitOf(100);
    let [now, refused, count, random] = [0, 0, 0, 1];
    while (now < 60_000) {
      now += pace.takeTurn(now, true);
      count += 1;
      random = (random * 48_271) % 2_147_483_647;
      const ms = 20 + (random % 160);
      if (gives(now)) {
        pace.onAnswer(ms);
        pace.onSuccess((now += ms));
      } else {
        refused += 1;
        pace.onRefused(now);
      }
    }
    assert.ok(refused < 0.25 * count, `${refused} refused of ${count}`);
  });

  test("is found where the host asks for a pause each time, which is longer than its limit", () => {
    const pace = createHostPace();
    const { given } = ask(pace, limitOf(100), { ms: 30, until: 120_000, pauseMs: 1_000 });
    assert.ok(given >= 500, `${given}, where 10 a second come without the pauses`);
  });

  test("follows a limit that changes", () => {
    const pace = createHostPace();
    ask(pace, limitOf(100), { ms: 5, until: 60_000 });
    const narrower = ask(pace, limitOf(500, 60_000), { ms: 5, from: 60_000, until: 120_000 });
    assert.ok(narrower.given >= 0.75 * 120 && narrower.refused <= 20 + 0.2 * narrower.given, JSON.stringify(narrower));
    // A gap of half a second is gone after some two hundred and fifty images.
    ask(pace, () => true, { ms: 5, from: 120_000, until: 200_000 });
    assert.equal(pace.gapMs, 0);
  });

  for (const one of [5, 10, 20])
    test(`is not set for a host that refuses one in ${one} by chance, or not for long`, () => {
      const pace = createHostPace();
      let random = 1;
      let paced = 0;
      for (let index = 0, now = 0; index < 20_000; index += 1) {
        now += pace.takeTurn(now, true) + 30;
        random = (random * 48_271) % 2_147_483_647;
        if (random % one === 0) pace.onRefused(now);
        else {
          pace.onAnswer(30);
          pace.onSuccess(now);
        }
        if (pace.gapMs > 0) paced += 1;
      }
      assert.ok(paced < 200, `${paced} of 20000`);
    });

  test("is not set by a quota of so many in ten seconds, which bears them as soon as they come", () => {
    let [window, count] = [-1, 0];
    const gives: Gives = (at) => {
      if (Math.floor(at / 10_000) !== window) [window, count] = [Math.floor(at / 10_000), 0];
      count += 1;
      return count <= 100;
    };
    const pace = createHostPace();
    const { given } = ask(pace, gives, { ms: 30, until: 120_000 });
    assert.ok(given >= 1_100, `${given}`);
    assert.equal(pace.gapMs, 0);
  });

  test("tells what comes sooner than all that the host gave lately, of those that were asked for alone", () => {
    const pace = createHostPace();
    const isTooSoon = (at: number, isAlone = true) => {
      pace.takeTurn(at, isAlone);
      return pace.isTooSoon;
    };
    assert.equal(isTooSoon(0), false, "nothing is known of it");
    for (const at of [1_000, 1_100, 1_210, 1_320]) {
      pace.takeTurn(at, true);
      pace.onSuccess(at);
    }
    assert.deepEqual([isTooSoon(1_400), isTooSoon(1_418), isTooSoon(1_420)], [true, true, false]);
    assert.equal(isTooSoon(1_400, false), false);
  });

  test("is none of those that were asked for at once, which are one too many together, not too soon", () => {
    const pace = createHostPace();
    for (let index = 0; index < 32; index += 1) assert.equal(pace.takeTurn(1_000, false), 0);
    pace.onAnswer(30);
    pace.onSuccess(1_030);
    for (let index = 0; index < 31; index += 1) assert.ok(pace.onRefused(1_031), "it gives, and is asked for fewer");
    assert.equal(pace.gapMs, 0);
  });

  test("does not stand for a pause where the host gives nothing", () => {
    const pace = createHostPace();
    pace.takeTurn(0, true);
    assert.equal(pace.onRefused(5), false, "it never gave anything");
    pace.takeTurn(10_000, true);
    pace.onSuccess(10_000);
    pace.takeTurn(10_010, true);
    assert.equal(pace.onRefused(11_000), true);
    assert.equal(pace.onRefused(11_001), false);
    const refusing = ask(pace, () => false, { ms: 5, from: 20_000, until: 80_000 });
    assert.equal(refusing.refused, refusing.unborne);
  });

  test("lets nobody wait for longer than a second, whatever happens, and each for a turn of his own", () => {
    const event = fc.oneof(fc.constant("given" as const), fc.constant("refused" as const), fc.nat(2_000));
    fc.assert(
      fc.property(fc.array(event, { maxLength: 300 }), (events) => {
        const pace = createHostPace();
        let [now, turnAt] = [0, -Infinity];
        for (const event of events) {
          const waitMs = pace.takeTurn(now, true);
          assert.ok(waitMs >= 0 && waitMs <= 1_000 && now + waitMs >= turnAt);
          turnAt = now + waitMs;
          now = turnAt;
          if (event === "given") pace.onSuccess(now);
          else if (event === "refused") pace.onRefused(now);
          else now += event;
        }
      }),
    );
  });
});
