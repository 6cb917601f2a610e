import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createHostLimit } from "../../../src/domain/load/host-limit.ts";

/** Answers `serves` at once after `ms` each; the others wait for their turn. */
type Host = { ms: number; serves: number };

/** Asks a host for images as often as the limit lets it, and tells how many were asked for at once, answer by answer. */
function ask(limit: ReturnType<typeof createHostLimit>, host: Host, answers: number): { at: number; asked: number }[] {
  const freeAt = Array.from({ length: Math.min(host.serves, 1_000) }, () => 0);
  const asked: { since: number; until: number }[] = [];
  const seen: { at: number; asked: number }[] = [];
  for (let now = 0; seen.length < answers;) {
    while (asked.length < Math.floor(limit.value)) {
      const place = freeAt.indexOf(Math.min(...freeAt));
      const until = Math.max(now, freeAt[place] ?? 0) + host.ms;
      freeAt[place] = until;
      asked.push({ since: now, until });
    }
    asked.sort((one, other) => one.until - other.until);
    const next = asked[0] ?? assert.fail();
    now = next.until;
    limit.onAnswer({ ms: now - next.since, at: now, isWanted: true });
    seen.push({ at: now, asked: asked.length });
    asked.shift();
    limit.onSuccess();
  }
  return seen;
}

const most = (seen: readonly { asked: number }[]) => Math.max(...seen.map(({ asked }) => asked));

describe("the limit of a host", () => {
  test("grows where answers take no longer with more at once: with the first ones, and then with all that were asked for", () => {
    const seen = ask(createHostLimit(200), { ms: 5_000, serves: Infinity }, 600);
    const firstAt = (count: number) => seen.find(({ asked }) => asked >= count)?.at;
    assert.equal(firstAt(60), 5_000);
    assert.equal(firstAt(120), 15_000);
    assert.equal(most(seen), 200);
  });

  test("does not grow where nothing waits, nor beyond the most that is allowed", () => {
    const limit = createHostLimit(48);
    for (let at = 0; at < 100_000; at += 1_000) limit.onAnswer({ ms: 300, at, isWanted: false });
    assert.equal(limit.value, 32);
    assert.equal(most(ask(limit, { ms: 300, serves: Infinity }, 400)), 48);
    assert.equal(most(ask(createHostLimit(4), { ms: 300, serves: Infinity }, 400)), 4);
  });

  test("comes back to 32 where the host does not bear more, and tries it seldom", () => {
    for (const serves of [1, 4, 16, 32]) {
      const seen = ask(createHostLimit(1_024), { ms: 200, serves }, 3_000);
      assert.ok(most(seen) <= 64, `${most(seen)} asked of one that serves ${serves}`);
      const average = seen.reduce((sum, { asked }) => sum + asked, 0) / seen.length;
      assert.ok(average < 40, `${average} on average of one that serves ${serves}`);
    }
  });

  test("does not grow where the host answers at once", () => {
    assert.equal(most(ask(createHostLimit(64), { ms: 19, serves: Infinity }, 400)), 32);
    assert.equal(most(ask(createHostLimit(64), { ms: 20, serves: Infinity }, 400)), 64);
  });

  test("is halved for a host that may have had too much, and grows back to 32 and for long no further", () => {
    const limit = createHostLimit(200);
    const far = { ms: 300, serves: Infinity };
    ask(limit, far, 800);
    assert.equal(limit.value, 200);
    limit.onSlowDown();
    assert.equal(limit.value, 32);
    limit.onSlowDown();
    assert.equal(limit.value, 16);
    assert.equal(most(ask(limit, far, 4_900)), 32);
    assert.equal(most(ask(limit, far, 1_000)), 200);
  });

  test("grows slowly where it is small, since a host that serves one at a time would refuse every second", () => {
    const limit = createHostLimit(32);
    for (let halved = 0; halved < 6; halved += 1) limit.onSlowDown();
    const after = (successes: number) => {
      for (; successes > 0; successes -= 1) limit.onSuccess();
      return Math.floor(limit.value);
    };
    assert.deepEqual([after(3), after(1), after(3), after(1), after(4), after(5)], [1, 2, 2, 3, 4, 5]);
  });

  test("is 32 again where an answer does not come in time, and no less", () => {
    const limit = createHostLimit(200);
    const far = { ms: 300, serves: Infinity };
    let at = 0;
    ask(limit, far, 800);
    limit.onLate((at += 5_000));
    limit.onLate((at += 5_000));
    assert.equal(limit.value, 32);
    assert.equal(most(ask(limit, far, 400)), 32);
    assert.equal(most(ask(limit, far, 1_000)), 200);
    limit.onSlowDown();
    limit.onLate((at += 5_000));
    assert.equal(limit.value, 32);
    limit.onSlowDown();
    limit.onLate((at += 5_000));
    assert.equal(limit.value, 16);
  });

  test("is halved once where a quarter of what was asked together does not come, and not for those that are late by chance", () => {
    const limit = createHostLimit(64);
    const late = (count: number, at: number) => {
      for (let index = 0; index < count; index += 1) limit.onLate(at + index);
      return limit.value;
    };
    // As of a host of which every tenth connection is dead.
    for (let at = 0; at < 600_000; at += 1_500) assert.equal(late(2, at), 32);
    assert.equal(late(7, 600_000), 32);
    assert.equal(late(27, 610_000), 16);
    assert.equal(late(11, 640_000), 8);
    assert.equal(late(3, 670_000), 8);
    assert.equal(late(4, 700_000), 4);
    // Of what was asked for before it had grown less.
    assert.equal(late(32, 730_000), 2);
  });

  test("does not grow further where the answers already take a little longer, but keeps what it has", () => {
    const limit = createHostLimit(1_024);
    const answer = (count: number, ms: number) => {
      for (; count > 0; count -= 1) limit.onAnswer({ ms, at: (at += 1_000), isWanted: true });
    };
    let at = 0;
    answer(4, 300);
    assert.equal(limit.value, 64);
    answer(200, 400);
    assert.equal(limit.value, 64);
    answer(64, 300);
    assert.equal(limit.value, 128, "judged by those that were asked for since");
  });

  test("is worth remembering where the host did not bear what was tried", () => {
    const limit = createHostLimit(64);
    assert.ok(limit.isAsNew);
    ask(limit, { ms: 300, serves: Infinity }, 100);
    assert.ok(limit.isAsNew);
    ask(limit, { ms: 300, serves: 8 }, 200);
    assert.equal(limit.value, 32);
    assert.ok(!limit.isAsNew);
    const refused = createHostLimit(64);
    refused.onSlowDown();
    ask(refused, { ms: 300, serves: Infinity }, 200);
    assert.ok(!refused.isAsNew);
  });

  test("stays between 1 and the most that is allowed, whatever happens", () => {
    const event = fc.oneof(
      fc.constant("slow" as const),
      fc.constant("success" as const),
      fc.constant("late" as const),
      fc.record({ ms: fc.nat(60_000), at: fc.nat(1_000_000), isWanted: fc.boolean() }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_024 }), fc.array(event, { maxLength: 300 }), (max, events) => {
        const limit = createHostLimit(max);
        let at = 0;
        for (const event of events) {
          if (event === "slow") limit.onSlowDown();
          else if (event === "success") limit.onSuccess();
          else if (event === "late") limit.onLate((at += 100));
          else limit.onAnswer(event);
          assert.ok(limit.value >= 1 && limit.value <= max);
        }
      }),
    );
  });
});
