import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createAnswerTimes } from "../../../src/domain/load/answer-times.ts";

describe("the times of answers", () => {
  const startTimes = () => {
    let now = 0;
    const times = createAnswerTimes(() => now);
    const answerIn = (ms: number) => {
      const onAnswered = times.onAsked();
      now += ms;
      onAnswered("came");
    };
    return { times, answerIn, pass: (ms: number) => void (now += ms) };
  };

  test("the slowest is known while it is still awaited, and after it has come", () => {
    const { times, answerIn, pass } = startTimes();
    assert.equal(times.slowestMs, 0);
    const [onFirst, onSecond] = [times.onAsked(), times.onAsked()];
    pass(3_000);
    answerIn(100);
    onSecond("came");
    assert.equal(times.slowestMs, 3_100);
    pass(1_900);
    onFirst("came");
    assert.equal(times.slowestMs, 5_000);
  });

  test("one slow answer in fifty is remembered, and one that was the only one is forgotten", () => {
    const { times, answerIn } = startTimes();
    for (let index = 0; index < 1_000; index += 1) {
      if (index % 50 === 0) answerIn(5_000);
      answerIn(100);
      assert.ok(times.slowestMs > 4_500, `${times.slowestMs} ms after ${index} answers`);
    }
    for (let index = 0; index < 5_000; index += 1) answerIn(100);
    assert.ok(times.slowestMs < 101, `${times.slowestMs} ms`);
  });

  test("what is slower than ten seconds counts as that, or it would be remembered for too long", () => {
    const { times, answerIn, pass } = startTimes();
    answerIn(120_000);
    assert.equal(times.slowestMs, 10_000);
    for (let index = 0; index < 1_500; index += 1) answerIn(100);
    assert.ok(times.slowestMs < 1_000, `${times.slowestMs} ms`);
    times.onAsked();
    pass(60_000);
    assert.equal(times.slowestMs, 10_000);
  });

  test("an answer ends once, and one that is not awaited any more counts for nothing", () => {
    const { times, pass } = startTimes();
    const onGone = times.onAsked();
    pass(5_000);
    onGone("gone");
    assert.equal(times.slowestMs, 0);
    const onAnswered = times.onAsked();
    onAnswered("came");
    pass(9_000);
    onAnswered("came");
    assert.equal(times.slowestMs, 0);
  });
});
