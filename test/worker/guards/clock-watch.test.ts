import assert from "node:assert/strict";
import { test } from "node:test";
import { createClockWatch } from "../../../src/worker/guards/clock-watch.ts";
import { openTestDatabase } from "../../support/database.ts";

test("that the machine's clock and the database's differ is said once until they agree, and no slow answer counts as that", async () => {
  const { executor } = await openTestDatabase();
  const said: unknown[] = [];
  let offMs = 0;
  let answerMs = 0;
  let looks = 0;
  const now = () => Date.now() + offMs + (looks++ % 2) * answerMs;
  const look = createClockWatch({ executor, log: { warn: (facts: object) => void said.push(facts) }, now });

  for (offMs of [0, 50_000, 7_200_000, 7_200_000, 0, -7_200_000, 0]) await look();
  assert.deepEqual(said, [{ aheadSeconds: 7_200 }, { aheadSeconds: -7_200 }]);
  [offMs, answerMs] = [0, 180_000];
  await look();
  assert.equal(said.length, 2);
});
