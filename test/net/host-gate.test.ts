import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay, setImmediate } from "node:timers/promises";
import { failed } from "../../src/domain/image/stage-result.ts";
import { createHostGate, watchForGate } from "../../src/net/host-gate.ts";
import { HostCrowded, NO_WATCH } from "../../src/net/host-watch.ts";
import { eventually } from "../support/eventually.ts";

const never = new AbortController().signal;

describe("the gate of hosts", () => {
  const createGate = () => {
    const gate = createHostGate({ max: 8, perHostMax: 2 });
    const slowDown = async (host: string) => {
      const leave = await gate.enter(host, never);
      gate.onSlowDown(host);
      leave();
    };
    /** Of two that come at once. */
    const countWaiting = async (host: string): Promise<number> => {
      const leave = await gate.enter(host, never);
      const second = gate.enter(host, never);
      const { waiting } = gate;
      leave();
      (await second)();
      return waiting;
    };
    return { slowDown, countWaiting };
  };

  test("remembers a host that asked us to slow down", async () => {
    const { slowDown, countWaiting } = createGate();
    assert.equal(await countWaiting("a.example"), 0);
    await slowDown("a.example");
    assert.equal(await countWaiting("a.example"), 1);
    for (let other = 0; other < 9_999; other += 1) await slowDown(`${other}.example`);
    assert.equal(await countWaiting("a.example"), 1, "beside as many as are remembered");
  });

  test("forgets the oldest of ten thousand and more", async () => {
    const { slowDown, countWaiting } = createGate();
    await slowDown("a.example");
    await slowDown("b.example");
    for (let other = 0; other < 9_999; other += 1) await slowDown(`${other}.example`);
    assert.equal(await countWaiting("a.example"), 0);
    assert.equal(await countWaiting("b.example"), 1);
  });

  for (const { what, max, perHostMax, hosts } of [
    { what: "of one host", max: 8, perHostMax: 2, hosts: ["a.example"] },
    { what: "of all hosts", max: 2, perHostMax: 20, hosts: ["a.example", "b.example"] },
  ])
    test(`lets batches that wait because of how many are asked for ${what} take turns`, async () => {
      const gate = createHostGate({ max, perHostMax });
      const entered: string[] = [];
      const come = (batchId: string, count: number) => {
        for (const host of hosts)
          for (let index = 0; index < count; index += 1) void gate.enter(host, never, { batchId }).then(() => void entered.push(batchId));
      };
      const inside = await Promise.all([gate.enter("a.example", never), gate.enter(hosts.at(-1) ?? "", never)]);
      come("large", 10);
      come("small", 1);
      await setImmediate();
      for (const leave of inside) leave();
      await setImmediate();
      assert.deepEqual(entered, ["large", "small"]);
    });

  test("asks a host for no more than at first where an answer does not come in time", async () => {
    const gate = createHostGate({ max: 100, perHostMax: 64 });
    const watch = watchForGate(gate, NO_WATCH);
    const asked = Array.from({ length: 34 }, () => gate.enter("a.example", never));
    for (let count = 0; count < 8; count += 1) watch.onHead?.("a.example", { status: 200, ms: 300 });
    (await asked[0])?.();
    await Promise.all(asked.slice(1));
    watch.onFailure("a.example", failed("timed_out").failure);
    void gate.enter("a.example", never);
    assert.equal(gate.waiting, 1, "33 are on their way");
  });

  test("learns nothing from how quickly a host refuses", async () => {
    const gate = createHostGate({ max: 100, perHostMax: 64 });
    const watch = watchForGate(gate, NO_WATCH);
    const asked = Array.from({ length: 33 }, () => gate.enter("a.example", never));
    const answer = (status: number) => {
      for (let count = 0; count < 8; count += 1) watch.onHead?.("a.example", { status, ms: 300 });
    };
    answer(404);
    (await asked[0])?.();
    await asked.pop();
    const waiting = gate.enter("a.example", never);
    assert.equal(gate.waiting, 1);
    answer(200);
    (await asked[1])?.();
    await waiting;
    void gate.enter("a.example", never);
    assert.equal(gate.waiting, 0);
  });

  test("turns away whoever waits for a slow host where so many wait that others could not come, and none of a quick one", async () => {
    let clock = 0;
    const gate = createHostGate({ max: 1_000, perHostMax: 32, turnsAway: true, now: () => clock });
    const crowded: HostCrowded[] = [];
    const inside: Record<string, (() => void)[]> = {};
    const come = async (host: string, count: number, isPatient = false) => {
      for (let index = 0; index < count; index += 1)
        gate.enter(host, never, { isPatient }).then(
          (leave) => void (inside[host] ??= []).push(leave),
          (error: unknown) => (error instanceof HostCrowded ? void crowded.push(error) : assert.fail(String(error))),
        );
      await setImmediate();
    };
    await come("slow.example", 432);
    clock += 5_000;
    inside["slow.example"]?.shift()?.();
    await come("quick.example", 132);
    assert.deepEqual([gate.waiting, crowded.length], [499, 0], "so many keep nobody back");
    await come("quick.example", 100);
    clock += 20;
    inside["quick.example"]?.shift()?.();
    await setImmediate();
    assert.deepEqual([gate.waiting, crowded.length], [598, 0]);
    // No more of it wait, but for who was redirected to it; and when it is looked for, most that wait already do no longer.
    await come("slow.example", 10);
    await come("slow.example", 1, true);
    assert.deepEqual([gate.waiting, crowded.length], [598, 11], "in place of another");
    await eventually("the look at those who wait", async () => gate.waiting === 231);
    assert.equal(crowded.length, 378);
    assert.ok(crowded.every(({ delayMs }) => delayMs >= 2_500 && delayMs <= 30_000));
  });

  test("turns away who would be led to such a host, until that has room for more", async () => {
    let clock = 0;
    const gate = createHostGate({ max: 1_000, perHostMax: 32, turnsAway: true, now: () => clock });
    const inside: (() => void)[] = [];
    const waiters = Array.from({ length: 600 }, () =>
      gate.enter("slow.example", never, { isPatient: true, ledBy: "lead.example" }).then((leave) => void inside.push(leave)),
    );
    await setImmediate();
    clock += 5_000;
    inside.shift()?.();
    await setImmediate();
    void gate.enter("slow.example", never, { isPatient: true, ledBy: "lead.example" });
    await assert.rejects(gate.enter("lead.example", never), HostCrowded);
    (await gate.enter("lead.example", never, { isPatient: true }))();
    (await gate.enter("other.example", never))();
    for (let left = 0; left < 600; left += 1) {
      inside.shift()?.();
      await setImmediate();
    }
    await Promise.all(waiters);
    (await gate.enter("lead.example", never))();
  });

  test("asks a host that refuses what comes too soon for one at a time and less soon, also once it has been at rest", async () => {
    const gate = createHostGate({ max: 100, perHostMax: 1 });
    const refused = async () => {
      const { failure } = failed("rate_limited");
      const leave = await gate.enter("a.example", never);
      watchForGate(gate, NO_WATCH).onFailure("a.example", failure);
      leave();
      return failure.isPaced;
    };
    assert.equal(await refused(), undefined, "it has given nothing yet");
    // Nothing that it gave came sooner than ten milliseconds after the one before.
    for (let given = 0; given < 6; given += 1) {
      await succeed(gate);
      await delay(10);
    }
    await succeed(gate);
    const [since, abort] = [performance.now(), new AbortController()];
    assert.equal(await refused(), true);
    await succeed(gate);
    const one = gate.enter("a.example", never);
    const other = gate.enter("a.example", abort.signal);
    (await one)();
    assert.ok(performance.now() - since >= 11, "a fifth more than ten, by a clock that the loop reads now and then");
    abort.abort(new Error("given back"));
    await assert.rejects(other, /given back/);
    assert.equal(gate.waiting, 0);
  });

  test("asks a host that refused what was tried for no more once it has been at rest", async () => {
    const gate = createHostGate({ max: 100, perHostMax: 64 });
    const abort = new AbortController();
    /** How many are let in of as many as wait after the first answers; all leave again. */
    const countAtOnce = async (): Promise<number> => {
      const entered: (() => void)[] = [];
      const asked = Array.from({ length: 100 }, () => gate.enter("a.example", abort.signal).then((leave) => void entered.push(leave)));
      await setImmediate();
      for (let answer = 0; answer < 8; answer += 1) gate.onAnswer("a.example", 300);
      entered.shift()?.();
      await setImmediate();
      const { length } = entered;
      while (entered.length > 0) {
        entered.shift()?.();
        await setImmediate();
      }
      await Promise.all(asked);
      return length;
    };
    assert.equal(await countAtOnce(), 64);
    const leave = await gate.enter("a.example", never);
    gate.onSlowDown("a.example");
    leave();
    assert.equal(await countAtOnce(), 16, "the limit had been 32 again");
    for (let success = 0; success < 1_000; success += 1) await succeed(gate);
    assert.equal(await countAtOnce(), 32);
  });
});

async function succeed(gate: ReturnType<typeof createHostGate>): Promise<void> {
  const leave = await gate.enter("a.example", never);
  gate.onSuccess("a.example");
  leave();
}
