import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { forecast, shareInterval, type Stratum, type Trial } from "../../src/domain/batch/forecast.ts";
import { seededRandom } from "../support/random.ts";

const plant = { encoders: 2, downloads: 256, downloadsPerHost: 32 };
const options = { plant, format: "jpeg" as const };
const good = (host: string | null, more: { ms?: number; bytes?: number; megapixels?: number } = {}): Trial => ({
  host,
  ms: more.ms ?? 100,
  result: { ok: true, bytes: more.bytes ?? 1_000, megapixels: more.megapixels ?? 1 },
});
const bad = (host: string | null, ms = 100): Trial => ({ host, ms, result: { ok: false } });
const times = (count: number, trial: Trial) => Array.from({ length: count }, () => trial);

const trial = (hosts: number): fc.Arbitrary<Trial> =>
  fc.record({
    host: fc.nat(hosts - 1).map((index) => `host-${index}`),
    ms: fc.integer({ min: 1, max: 60_000 }),
    result: fc.oneof(
      fc.constant({ ok: false as const }),
      fc.record({ ok: fc.constant(true as const), bytes: fc.nat(50_000_000), megapixels: fc.double({ min: 0, max: 100, noNaN: true }) }),
    ),
  });
/** Never more trials of a host than it has images. */
const situation = fc.array(trial(4), { minLength: 1, maxLength: 200 }).chain((trials) =>
  fc
    .tuple(
      ...[0, 1, 2, 3].map((index) =>
        fc.nat(100_000).map((more): Stratum => ({
          host: `host-${index}`,
          imagesDistinct: trials.filter(({ host }) => host === `host-${index}`).length + more,
        })),
      ),
    )
    .map((strata) => ({ strata, trials })),
);

describe("a forecast", () => {
  test("lies within its own bounds, which lie within what there is", () => {
    fc.assert(
      fc.property(situation, ({ strata, trials }) => {
        const found = forecast(strata, trials, options);
        assert.ok(found);
        const images = strata.reduce((sum, { imagesDistinct }) => sum + imagesDistinct, 0);
        const { low, expected, high, share } = found.failures;
        assert.ok(0 <= low && low <= expected && expected <= high && high <= images, JSON.stringify(found.failures));
        assert.ok(share >= 0 && share <= 1);
        assert.equal(found.seconds, Math.max(found.fetchSeconds, found.encodeSeconds));
        assert.ok([found.bytes, found.megapixels, found.seconds].every((value) => Number.isFinite(value) && value >= 0));
      }),
    );
  });

  test("holds the truth in 95 of 100 cases, or nearly", () => {
    const random = seededRandom(11);
    const hosts = [
      { host: "large", imagesDistinct: 9_000, failing: 0.05 },
      { host: "small", imagesDistinct: 1_000, failing: 0.6 },
    ];
    let held = 0;
    const cases = 1_000;
    for (let index = 0; index < cases; index += 1) {
      const trials = hosts.flatMap(({ host, failing }) => Array.from({ length: 25 }, () => (random() < failing ? bad(host) : good(host))));
      const failures = forecast(hosts, trials, options)?.failures;
      if (failures && failures.low <= 1_050 && failures.high >= 1_050) held += 1;
    }
    assert.ok(held >= 0.93 * cases, `${held} of ${cases}`);
  });

  test("weighs each host by its images and not by how often it was tried", () => {
    const strata = [
      { host: "large", imagesDistinct: 990 },
      { host: "dead", imagesDistinct: 10 },
    ];
    const { failures, bytes } = forecast(strata, [...times(5, good("large")), ...times(5, bad("dead"))], options) ?? assert.fail();
    assert.equal(failures.expected, 10);
    assert.equal(bytes, 990_000);
  });

  test("takes what was not tried to be like the rest", () => {
    const { failures } =
      forecast(
        [
          { host: "a", imagesDistinct: 100 },
          { host: "b", imagesDistinct: 300 },
        ],
        [good("a"), bad("a")],
        options,
      ) ?? assert.fail();
    assert.equal(failures.expected, 200);
  });

  test("says how little a few tries tell, and is exact where all were tried", () => {
    const of = (images: number) => forecast([{ host: "a", imagesDistinct: images }], times(20, good("a")), options)?.failures;
    assert.deepEqual(of(1_000), { expected: 0, low: 0, high: 159, share: 0 });
    assert.deepEqual(of(20), { expected: 0, low: 0, high: 0, share: 0 });
    assert.ok((of(21)?.high ?? 0) <= 1);
    assert.equal(forecast([{ host: "a", imagesDistinct: 5 }], [], options), null);
  });

  test("takes as long as the slower of network and cores", () => {
    const strata = [
      { host: "slow", imagesDistinct: 3_200 },
      { host: "quick", imagesDistinct: 100 },
    ];
    const { fetchSeconds, encodeSeconds, seconds } =
      forecast(strata, [good("slow", { ms: 1_000 }), good("quick", { ms: 10 })], options) ?? assert.fail();
    assert.equal(fetchSeconds, 100, "3,200 seconds, 32 at once");
    assert.equal(encodeSeconds.toFixed(3), ((3_300 * (0.002_7 + 0.007_8)) / 2).toFixed(3));
    assert.equal(seconds, 100);
    assert.equal(
      forecast([{ host: "a", imagesDistinct: 1 }], [good("a", { ms: 500 })], options)?.fetchSeconds,
      0.5,
      "one image is not fetched by 32",
    );
    assert.equal(
      forecast(
        [
          { host: "a", imagesDistinct: 1 },
          { host: "b", imagesDistinct: 1_000 },
        ],
        [good("a", { ms: 1_000 }), good("b", { ms: 1 })],
        options,
      )?.fetchSeconds,
      1,
      "nor beside others",
    );
    const avif = forecast(strata, [good("slow", { ms: 1_000 })], { plant, format: "avif" }) ?? assert.fail();
    assert.ok(avif.seconds > 100 && avif.seconds === avif.encodeSeconds);
  });

  test("the bounds are Wilson's", () => {
    // Newcombe 1998, table I (https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8%3C857::AID-SIM777%3E3.0.CO;2-E).
    for (const [failed, of, low, high] of [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ] as const) {
      const interval = shareInterval(failed / of, of);
      assert.deepEqual([interval.low.toFixed(4), interval.high.toFixed(4)], [low.toFixed(4), high.toFixed(4)]);
    }
  });
});
