import assert from "node:assert/strict";
import { test } from "node:test";
import type { Connection } from "../../../src/net/http1/connection.ts";
import { IdleConnections } from "../../../src/net/http1/idle-connections.ts";

test("a connection is used again until a second before the server closes it, or for half of a shorter time", (t) => {
  let nowMs = 1_000;
  t.mock.method(performance, "now", () => nowMs);
  const idle = new IdleConnections();
  t.after(() => idle.close());
  /** Whether it can be used again after so long. */
  const isKept = (keepMs: number, afterMs: number) => {
    const socket = { ref() {}, unref() {}, destroy() {} };
    const connection = { socket, keepMs, idleSince: 0, isReusable: true } as unknown as Connection;
    idle.put("shop.example", connection);
    nowMs += afterMs;
    return idle.take("shop.example") === connection;
  };
  const untilMs = [0, 1_000, 2_000, 3_000, 5_000, 75_000, Infinity].map((keepMs) => {
    const times = [1, 499, 500, 999, 1_000, 1_999, 2_000, 3_999, 4_000];
    return times.findLast((afterMs) => isKept(keepMs, afterMs)) ?? 0;
  });
  assert.deepEqual(untilMs, [0, 499, 999, 1_999, 3_999, 3_999, 3_999]);
});
