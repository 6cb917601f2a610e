import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { DELIVERY_ATTEMPTS_MAX, deliveryRetryDelayMs, IMAGE_ATTEMPTS_MAX, imageRetryDelayMs } from "../../src/domain/load/backoff.ts";
import { IMAGE_CODES, type ImageCode } from "../../src/domain/image/image-code.ts";
import { decideAfterFailure } from "../../src/domain/image/outcome.ts";
import { parseRetryAfterMs } from "../../src/domain/load/retry-after.ts";
import { failed } from "../../src/domain/image/stage-result.ts";

const random = fc.double({ min: 0, max: 0.999_999, noNaN: true });

describe("waiting before another try", () => {
  test("lies between half of the step and the whole, and grows from attempt to attempt", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), random, random, (attempt, one, other) => {
        for (const delay of [imageRetryDelayMs, deliveryRetryDelayMs]) {
          assert.ok(delay(attempt, one) >= delay(attempt, 0) && delay(attempt, one) <= 2 * delay(attempt, 0));
          assert.ok(delay(attempt + 1, one) >= delay(attempt, other) || attempt >= 4, "later tries wait longer");
        }
      }),
    );
  });

  test("is never shorter than the server asked, up to a cap", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), random, fc.nat(10 ** 9), (attempt, one, asked) => {
        assert.ok(imageRetryDelayMs(attempt, one, asked) >= Math.min(asked, 600_000));
        assert.ok(imageRetryDelayMs(attempt, one, asked) <= 601_000);
        assert.ok(deliveryRetryDelayMs(attempt, one, asked) >= Math.min(asked, 86_400_000));
        assert.ok(deliveryRetryDelayMs(attempt, one, asked) <= 86_401_000);
      }),
    );
  });

  test("a delivery is tried for about three days", () => {
    const total = Array.from({ length: DELIVERY_ATTEMPTS_MAX - 1 }, (_, index) => deliveryRetryDelayMs(index + 1, 0.5)).reduce(
      (sum, ms) => sum + ms,
      0,
    );
    assert.ok(total > 48 * 3_600_000 && total < 96 * 3_600_000);
  });

  test("only what can pass is tried again, and not for ever", () => {
    for (const code of Object.keys(IMAGE_CODES) as ImageCode[]) {
      const { failure } = failed(code);
      assert.equal(decideAfterFailure(failure, 1, 0).kind, IMAGE_CODES[code].retry ? "retry" : "give_up", code);
      assert.equal(decideAfterFailure(failure, IMAGE_ATTEMPTS_MAX, 0).kind, "give_up", code);
    }
  });

  test("a Retry-After that is a date is read by the clock of the server, where the answer tells its time", () => {
    const now = Date.parse("2026-11-24T00:00:00Z");
    const [date, later] = ["Tue, 24 Nov 2026 00:10:00 GMT", "Tue, 24 Nov 2026 00:10:05 GMT"];
    assert.equal(parseRetryAfterMs(later, date, now), 5_000);
    assert.equal(parseRetryAfterMs(date, later, now), 0);
    assert.equal(parseRetryAfterMs("7", date, now), 7_000);
    for (const none of [undefined, "", "2026", "Tue, in a while"]) assert.equal(parseRetryAfterMs(later, none, now), 605_000);
  });

  test("Retry-After is read as seconds or as a date", () => {
    const now = Date.parse("2026-11-24T00:00:00Z");
    assert.deepEqual(
      ["7", " 7 ", "Tue, 24 Nov 2026 00:00:09 GMT", "Mon, 23 Nov 2026 00:00:00 GMT", "4294967295", "soon", "-3", undefined].map((value) =>
        parseRetryAfterMs(value, undefined, now),
      ),
      [7_000, 7_000, 9_000, 0, 4_294_967_295_000, undefined, undefined, undefined],
    );
  });
});
