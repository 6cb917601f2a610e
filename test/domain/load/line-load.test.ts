import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createLineLoad, type Asked } from "../../../src/domain/load/line-load.ts";

describe("the load of the line", () => {
  const startLine = () => {
    let now = 0;
    const line = createLineLoad(() => now);
    const pass = (ms: number) => void (now += ms);
    /** One after the other, as fast as a line of `bytesPerSecond` brings them. */
    const bring = (count: number, { bytes, bytesPerSecond }: { bytes: number; bytesPerSecond: number }) => {
      for (let index = 0; index < count; index += 1) {
        const asked = line.onAsked();
        asked.onBody(bytes);
        come(asked, { bytes, ms: (1_000 * bytes) / bytesPerSecond });
        asked.onEnd("came");
      }
    };
    const come = (asked: Asked, { bytes, ms }: { bytes: number; ms: number }) => {
      for (let piece = 0; piece < 10; piece += 1) {
        pass(ms / 10);
        asked.onBytes(bytes / 10);
      }
    };
    const askFor = (count: number, bytes: number | null) =>
      Array.from({ length: count }, () => {
        const asked = line.onAsked();
        asked.onBody(bytes);
        return asked;
      });
    return { line, pass, bring, come, askFor };
  };

  test("has room for what comes within half a minute, less what is on its way", () => {
    const { line, bring, askFor } = startLine();
    bring(20, { bytes: 1_000_000, bytesPerSecond: 2_000_000 });
    assert.equal(line.askedMax, 60);
    askFor(10, 1_000_000);
    assert.equal(line.askedMax, 60);
    // Five of them stand for fifty.
    askFor(1, 40_000_000);
    assert.ok(line.askedMax < 30, String(line.askedMax));
  });

  test("is not taken for fast because of answers without a body, nor for slow while none is on its way", () => {
    const { line, pass, bring, askFor } = startLine();
    bring(20, { bytes: 1_000_000, bytesPerSecond: 1_000_000 });
    const photos = askFor(30, 1_000_000);
    for (let index = 0; index < 500; index += 1) line.onAsked().onEnd("came");
    // All that comes within half a minute is on its way already: there is room for what has no body, and for little else.
    assert.ok(line.askedMax <= 30, String(line.askedMax));
    for (const photo of photos) photo.onEnd("gone");
    bring(200, { bytes: 1_000_000, bytesPerSecond: 1_000_000 });
    const { askedMax } = line;
    const dead = line.onAsked();
    pass(600_000);
    dead.onEnd("gone");
    assert.equal(line.askedMax, askedMax);
  });

  test("follows a line that gets slower or faster within half a minute", () => {
    const { line, bring } = startLine();
    bring(100, { bytes: 1_000_000, bytesPerSecond: 10_000_000 });
    assert.ok(line.askedMax > 250, String(line.askedMax));
    bring(30, { bytes: 1_000_000, bytesPerSecond: 1_000_000 });
    assert.ok(line.askedMax < 50, String(line.askedMax));
    bring(300, { bytes: 1_000_000, bytesPerSecond: 10_000_000 });
    assert.ok(line.askedMax > 250, String(line.askedMax));
  });

  test("is not known before a size is: 32 are asked for, and one more with each answer that has none", () => {
    const { line, come, askFor } = startLine();
    assert.equal(line.askedMax, 32);
    for (let index = 0; index < 100; index += 1) line.onAsked().onEnd("came");
    assert.equal(line.askedMax, 132);
    const [first] = askFor(100, null);
    assert.ok(first);
    come(first, { bytes: 1_000, ms: 1 });
    first.onEnd("came");
    assert.ok(line.askedMax <= 133, String(line.askedMax));
  });

  test("eight are asked for in any case, and four after one that came too late", () => {
    const { line, bring, come, askFor } = startLine();
    const ask = (count: number, how: "came" | "late") => {
      const asked = askFor(count, 5_000_000);
      for (const one of asked) come(one, { bytes: 1_000, ms: 1_000 });
      assert.ok(line.askedMax <= 8, String(line.askedMax));
      for (const one of asked) one.onEnd(how);
    };
    ask(8, "late");
    const waiting = askFor(4, 5_000_000);
    assert.equal(line.askedMax, 4);
    for (const one of waiting) one.onEnd("gone");
    bring(100, { bytes: 1_000, bytesPerSecond: 1_000 });
    askFor(8, 5_000_000);
    assert.equal(line.askedMax, 8);
  });

  test("a server that sends large files drop by drop holds up nobody", () => {
    const { line, pass, askFor } = startLine();
    const drips = askFor(32, 20_000_000);
    const photos = askFor(4, 1_000_000);
    for (let second = 0; second < 4; second += 1) {
      pass(1_000);
      for (const drip of drips) drip.onBytes(1_000);
      for (const photo of photos) photo.onBytes(200_000);
    }
    // What is on its way of those takes 1 MB of the 25 that come within half a minute.
    assert.ok(line.askedMax > 32 + 4, String(line.askedMax));
    for (const photo of photos) photo.onEnd("came");
    for (let index = 0; index < 100; index += 1) for (const photo of askFor(1, 200_000)) photo.onEnd("came");
    assert.ok(line.askedMax > 50, String(line.askedMax));
  });

  test("bodies that stop altogether hold up nobody, neither over a line that is known nor at the beginning", () => {
    const known = startLine();
    known.bring(20, { bytes: 1_000_000, bytesPerSecond: 2_000_000 });
    known.askFor(32, 40_000_000);
    assert.ok(known.line.askedMax <= 8, String(known.line.askedMax));
    known.pass(3_000);
    assert.ok(known.line.askedMax >= 32 + 8, String(known.line.askedMax));
    const begun = startLine();
    begun.askFor(32, 40_000_000);
    begun.pass(3_000);
    assert.ok(begun.line.askedMax >= 32 + 8, String(begun.line.askedMax));
  });

  test("a body that stalls among answers without one does not make the line slow", () => {
    const { line, pass, askFor } = startLine();
    const [stalled] = askFor(1, 100_000);
    stalled?.onBytes(1_000);
    for (let index = 0; index < 100; index += 1) {
      pass(100);
      line.onAsked().onEnd("came");
    }
    assert.ok(line.askedMax >= 100, String(line.askedMax));
    // It goes on, as slowly as the line brings it: what was allowed meanwhile is not any more.
    stalled?.onBytes(1_000);
    assert.ok(line.askedMax < 100, String(line.askedMax));
  });

  test("32 of unknown sizes are begun with each time, however much has come before", () => {
    const { line, bring, come, askFor } = startLine();
    bring(1_000, { bytes: 1_000, bytesPerSecond: 1_000_000 });
    const begun = askFor(40, null);
    const [first, second] = begun;
    assert.equal(line.askedMax, 32);
    for (const one of [first, second]) {
      assert.ok(one);
      come(one, { bytes: 1_000, ms: 1 });
      one.onEnd("came");
    }
    assert.equal(line.askedMax, 34);
    for (const one of begun) one.onEnd("gone");
    const again = askFor(40, null);
    assert.equal(line.askedMax, 32);
    for (const one of again.slice(1)) one.onEnd("gone");
    // One among many whose size is known makes little difference.
    askFor(100, 1_000);
    assert.ok(line.askedMax > 100, String(line.askedMax));
    const unknown = startLine();
    unknown.askFor(1, null);
    unknown.pass(100);
    assert.equal(unknown.line.askedMax, 32);
  });

  test("a length that is no number is one that is not known", () => {
    const { line, bring, askFor } = startLine();
    bring(20, { bytes: 1_000_000, bytesPerSecond: 2_000_000 });
    for (const asked of askFor(1, NaN)) asked.onEnd("gone");
    assert.equal(line.askedMax, 60);
  });

  test("an answer ends once", () => {
    const { line, bring, askFor } = startLine();
    bring(20, { bytes: 1_000_000, bytesPerSecond: 2_000_000 });
    const [asked] = askFor(1, 1_000_000);
    asked?.onEnd("gone");
    asked?.onEnd("gone");
    assert.equal(line.askedMax, 60);
  });
});
