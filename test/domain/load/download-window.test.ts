import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createDownloadWindow } from "../../../src/domain/load/download-window.ts";

describe("the download window", () => {
  /** Of two encoders. Unless told otherwise all answers come at once. */
  const startWindow = (max: number, answers = { slowestMs: 0 }) => createDownloadWindow({ encoders: 2, max, answers });

  test("stays within its bounds, widens for idle encoders and narrows for a backlog", () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.record({ fetchMs: fc.nat(60_000), waiting: fc.nat(30) }), { nil: null })),
        fc.nat(1_000),
        (events, encodeMs) => {
          const window = startWindow(100);
          window.onEncoded(encodeMs);
          for (const event of events) {
            const before = window.size;
            if (event === null) window.onStarved();
            else window.onFetched(event.fetchMs, event.waiting);
            assert.ok(window.size >= 8 && window.size <= 100);
            if (event === null) assert.ok(window.size >= before);
            else assert.ok(window.size >= before - 1);
          }
        },
      ),
    );
  });

  test("holds a quarter more than all encoders work off while one image comes, and a quarter of a second more", () => {
    const window = startWindow(1_000);
    window.onEncoded(5);
    window.onFetched(300, 0);
    assert.equal(window.size, 8 + (1.25 * 2 * 550) / 5);
  });

  test("does not close over images that came together", () => {
    const window = startWindow(1_000);
    window.onEncoded(5);
    window.onFetched(300, 0);
    for (let waiting = 150; waiting > 0; waiting -= 1) window.onFetched(300, waiting);
    assert.equal(window.size, 8 + (1.25 * 2 * 550) / 5);
  });

  test("comes from its smallest to 256 images in nine looks", () => {
    const window = startWindow(256);
    for (let look = 0; look < 9; look += 1) window.onStarved();
    assert.equal(window.size, 256);
  });

  test("at the end holds what all encoders work off in the time of the slowest answers, 4,000 at most, and never less than before", () => {
    const answers = { slowestMs: 0 };
    const window = startWindow(256, answers);
    window.onEncoded(10);
    window.onFetched(300, 0);
    const { size } = window;
    assert.equal(window.sizeAtEnd, size);
    answers.slowestMs = 5_000;
    assert.equal(window.sizeAtEnd, 8 + (2 * 5_250) / 10);
    answers.slowestMs = 60_000;
    assert.equal(window.sizeAtEnd, 4_000);
    assert.equal(window.size, size, "only at the end");
  });
});
