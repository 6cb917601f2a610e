import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { createMuteReceivers, type MuteReceivers } from "../../../src/domain/load/mute-receivers.ts";

const [MUTE, OTHER] = ["https://mute.example", "https://other.example"];

describe("a receiver that did not answer in time", () => {
  let time: number;
  let chance: number;
  let receivers: MuteReceivers;
  beforeEach(() => {
    [time, chance] = [0, 0];
    receivers = createMuteReceivers({ now: () => time, random: () => chance });
  });
  const fallSilent = (origin: string) => {
    assert.equal(receivers.admit(origin), 0);
    receivers.end(origin, true);
  };
  /** How many may be under way at once, of a hundred. */
  const countAdmitted = (origin: string) => Array.from({ length: 100 }, () => receivers.admit(origin)).filter((ms) => ms === 0).length;

  test("has two deliveries under way at once, and others as many as they like", () => {
    fallSilent(MUTE);
    assert.deepEqual([countAdmitted(MUTE), countAdmitted(OTHER)], [2, 100]);
    receivers.end(MUTE, true);
    assert.equal(countAdmitted(MUTE), 1, "the place of the one that ended");
  });

  test("has no limit once it answers", () => {
    fallSilent(MUTE);
    assert.equal(countAdmitted(MUTE), 2);
    receivers.end(MUTE, false);
    assert.equal(countAdmitted(MUTE), 100);
  });

  test("stays as it was by an end that says nothing of it", () => {
    fallSilent(MUTE);
    assert.equal(receivers.admit(MUTE), 0);
    receivers.end(MUTE, null);
    assert.equal(receivers.admit(OTHER), 0);
    receivers.end(OTHER, null);
    assert.deepEqual([countAdmitted(MUTE), countAdmitted(OTHER)], [2, 100]);
  });

  test("keeps what is under way counted when it falls silent", () => {
    for (let count = 0; count < 16; count += 1) assert.equal(receivers.admit(MUTE), 0);
    for (let count = 0; count < 14; count += 1) receivers.end(MUTE, true);
    assert.equal(countAdmitted(MUTE), 0, "two are still under way");
    receivers.end(MUTE, true);
    assert.equal(countAdmitted(MUTE), 1);
  });

  test("gets the others back after 20 to 60 s, and no more than twenty in a second", () => {
    fallSilent(MUTE);
    assert.equal(countAdmitted(MUTE), 2);
    const last = receivers.admit(MUTE);
    assert.ok(last >= 20_000 + 98 * 50 && last <= 20_000 + 100 * 50, `${last} ms for the 99th`);
    time = 60_000;
    assert.equal(receivers.admit(MUTE), 20_050);
    chance = 1 - Number.EPSILON;
    assert.equal(Math.round(receivers.admit(MUTE)), 60_100);
  });

  test("is remembered for long, but not with all there ever were", () => {
    fallSilent(MUTE);
    assert.equal(receivers.admit(MUTE), 0);
    fallSilent(OTHER);
    for (let count = 0; count < 2_000; count += 1) fallSilent(`https://${count}.example`);
    assert.deepEqual([countAdmitted(MUTE), countAdmitted("https://1999.example"), countAdmitted(OTHER)], [1, 2, 100]);
  });
});
