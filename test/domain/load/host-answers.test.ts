import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { busyDelayMs, createHostAnswers } from "../../../src/domain/load/host-answers.ts";

const HOST = "shop.example";
const FAILED = { kind: "failed" };
const ASKED = { kind: "asked", pauseMs: 0, patienceMs: 300_000 };

describe("a 503 without Retry-After", () => {
  test("of a host that gives a few and refuses more pauses it; while it gives most, only the image waits", () => {
    const answers = createHostAnswers();
    for (let given = 0; given < 6; given += 1) answers.onGiven(HOST, 0);
    answers.onBusy(HOST);
    assert.deepEqual(answers.whatBusyMeans(HOST, 0), ASKED);
    const pauses = Array.from({ length: 6 }, () => answers.onFirstBusy(HOST));
    assert.deepEqual(pauses, [false, false, false, false, true, true]);
  });

  test("is a failure of a host that has given nothing, or for a minute nothing, whatever it gave before", () => {
    const answer = fc.record({ isBusy: fc.boolean(), afterMs: fc.nat(90_000) });
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 60 }), (sequence) => {
        const answers = createHostAnswers();
        let [nowMs, gaveAtMs] = [0, -Infinity];
        for (const { isBusy, afterMs } of sequence) {
          nowMs += afterMs;
          if (isBusy) {
            answers.onBusy(HOST);
            assert.equal(answers.whatBusyMeans(HOST, nowMs).kind === "failed", nowMs - gaveAtMs > 60_000);
          } else {
            answers.onGiven(HOST, nowMs);
            gaveAtMs = nowMs;
          }
        }
        answers.onBusy(HOST);
        assert.deepEqual(answers.whatBusyMeans(HOST, nowMs + 60_001), FAILED);
      }),
    );
  });

  test("of one path in ten that is broken never pauses its host", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 9, max: 40 }), { maxLength: 100 }), (distances) => {
        const answers = createHostAnswers();
        for (const distance of distances) {
          for (let given = 0; given < distance; given += 1) answers.onGiven(HOST, 0);
          assert.equal(answers.onFirstBusy(HOST), false);
        }
      }),
    );
  });

  test("is a failure where another host was busy, to which this one only redirects", () => {
    const answers = createHostAnswers();
    answers.onGiven(HOST, 0);
    answers.onBusy("cdn.example");
    assert.deepEqual([answers.whatBusyMeans(HOST, 0), answers.whatBusyMeans("cdn.example", 0)], [FAILED, FAILED]);
  });

  test("is met at most some twenty times by one image before that has waited for its five minutes", () => {
    let [waitedMs, tries] = [0, 0];
    for (; waitedMs <= 300_000; tries += 1) waitedMs += busyDelayMs(waitedMs);
    assert.ok(tries >= 15 && tries <= 25, String(tries));
    fc.assert(fc.property(fc.nat(), (ms) => busyDelayMs(ms) >= 2_000 && busyDelayMs(ms) <= 30_000));
  });
});

describe("a refusal that asks for patience", () => {
  const SAID = { code: "server_error" } as const;
  const LIMITED = { code: "rate_limited" } as const;
  const again = <T>(refusal: T) => ({ ...refusal, isRefusedAgain: true });
  /** A host that has just given so many. */
  const giving = (count: number) => {
    const answers = createHostAnswers();
    for (let given = 0; given < count; given += 1) answers.onGiven(HOST, 0);
    return answers;
  };

  test("is for one image where that was refused before and its host gives most others, and never of a host that gives nothing", () => {
    for (const refusal of [SAID, LIMITED]) {
      assert.equal(giving(1).isOfOneImage(HOST, refusal, 0, 0), false);
      assert.equal(giving(1).isOfOneImage(HOST, again(refusal), 0, 0), true);
      assert.equal(giving(0).isOfOneImage(HOST, again(refusal), 0, 0), false);
    }
  });

  test("is not for one image, however often that was refused, where it came sooner than its host bears", () => {
    for (const refusal of [SAID, LIMITED]) assert.equal(giving(1).isOfOneImage(HOST, { ...again(refusal), isTooSoon: true }, 0, 0), false);
  });

  test("is for the host again a minute after that gave its last, the time of its pauses not counted", () => {
    const answers = giving(1);
    for (const [nowMs, pausedMs, isOfOne] of [
      [60_000, 0, true],
      [60_001, 0, false],
      [660_000, 600_000, true],
      [660_001, 600_000, false],
    ] as const)
      assert.equal(answers.isOfOneImage(HOST, again(SAID), nowMs, pausedMs), isOfOne, `${nowMs} ${pausedMs}`);
  });

  test("is for the host where more than a quarter of its latest answers are such; repetitions count a quarter", () => {
    const countUntilHost = (refusal: typeof SAID & { isRefusedAgain?: boolean }) => {
      const answers = giving(1_000);
      let count = 0;
      for (; answers.isOfOneImage(HOST, again(SAID), 0, 0); count += 1) answers.onAsked(HOST, refusal, true, 0);
      return count;
    };
    assert.deepEqual([countUntilHost(SAID), countUntilHost(again(SAID))], [19, 74]);
  });

  test("of a host that refused single images, and refuses few, is for one image the first time too, for ten minutes, but for a 429", () => {
    const answers = giving(1);
    answers.onAsked(HOST, again(LIMITED), true, 0);
    assert.equal(answers.isOfOneImage(HOST, SAID, 0, 0), false);
    answers.onAsked(HOST, again(SAID), true, 0);
    assert.deepEqual([answers.isOfOneImage(HOST, SAID, 0, 0), answers.isOfOneImage(HOST, LIMITED, 0, 0)], [true, false]);
    for (let count = 0; count < 3; count += 1) answers.onAsked(HOST, SAID, true, 599_999);
    answers.onGiven(HOST, 599_999);
    assert.equal(answers.isOfOneImage(HOST, SAID, 599_999, 0), true);
    assert.equal(answers.isOfOneImage(HOST, SAID, 600_000, 0), false, "only one that is refused again shows it anew");
    answers.onAsked(HOST, SAID, true, 599_999);
    assert.equal(answers.isOfOneImage(HOST, SAID, 599_999, 0), false, "more than one in sixteen");
  });
});
