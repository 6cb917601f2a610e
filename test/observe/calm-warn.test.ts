import assert from "node:assert/strict";
import { test } from "node:test";
import { isDatabaseAway } from "../../src/db/connection/connect.ts";
import { createCalmWarn, warnEachMinute } from "../../src/observe/calm-warn.ts";

const refused = (code: string) => Object.assign(new Error(`refused with ${code}`), { code });

function open() {
  const lines: [string, Record<string, unknown>][] = [];
  let time = 0;
  const warn = createCalmWarn({
    log: { warn: (facts, event) => void lines.push([event, { ...facts }]) },
    isKnown: isDatabaseAway,
    now: () => time,
  });
  return { warn, lines, pass: (ms: number) => void (time += ms) };
}

test("what is known is said at once, without its stack, then every ten seconds with how many were left out", () => {
  const { warn, lines, pass } = open();
  for (let second = 0; second <= 20; second += 1) {
    warn(refused("57P03"), "the database did not take a command");
    pass(1_000);
  }
  const err = { name: "Error", message: "refused with 57P03", code: "57P03" };
  assert.deepEqual(
    lines.map(([, facts]) => facts),
    [{ err }, { err, leftOut: 9 }, { err, leftOut: 9 }],
  );
});

test("another condition, another command and another event are said at once", () => {
  const { warn, lines } = open();
  for (const code of ["57P01", "28000"])
    for (const command of ["claim", "settle"]) for (const event of ["one", "other"]) warn(refused(code), event, { command });
  assert.equal(lines.length, 8);
});

test("what several workers of the queue meet is said once", () => {
  const { warn, lines } = open();
  for (const worker of ["a1", "b2"])
    warn(new Error(`timeout exceeded when trying to connect (Queue: deliver, Worker: ${worker})`), "the queue reported an error");
  assert.deepEqual(
    lines.map(([, { err }]) => (err as Error).message),
    ["timeout exceeded when trying to connect (Queue: deliver, Worker: a1)"],
  );
});

test("what is not known is said each time, as it came", () => {
  const { warn, lines } = open();
  const faults = [new TypeError("no such thing"), refused("42P01"), new TypeError("no such thing")];
  for (const fault of faults) warn(fault, "event");
  assert.deepEqual(
    lines.map(([, { err }]) => err),
    faults,
  );
});

test("of jobs that fail, each kind is said once a minute", () => {
  const { warn, lines } = open();
  let time = 0;
  const calm = warnEachMinute(warn, () => time);
  const kinds = () => {
    for (const queue of ["finish", "deliver"])
      for (const fault of [refused("ENOTDIR"), refused("ENOSPC"), new TypeError("a"), new TypeError("b")]) calm(fault, "event", { queue });
  };
  kinds();
  assert.equal(lines.length, 6);
  time = 59_999;
  kinds();
  assert.equal(lines.length, 6);
  time = 60_000;
  kinds();
  assert.equal(lines.length, 12);
});
