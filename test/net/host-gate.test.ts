import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createHostGate } from "../../src/net/host-gate.ts";

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
});
