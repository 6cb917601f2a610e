import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { startSupervisor } from "../../src/queue/supervisor.ts";
import { onCleanup } from "../support/cleanup.ts";

const LOOK_MS = 2_000;

/** A supervisor whose clock goes on by the seconds that a test lets pass; answers say what its looks get. */
function start() {
  mock.timers.enable({ apis: ["setInterval"] });
  onCleanup(() => mock.timers.reset());
  let time = 0;
  let answer: () => boolean = () => false;
  const rescues: number[] = [];
  const supervisor = startSupervisor({
    hasLapsed: async () => answer(),
    supervise: async () => void rescues.push(time),
    onError: () => {},
    now: () => time,
  });
  return {
    supervisor,
    rescues,
    async pass(seconds: number, given: () => boolean) {
      answer = given;
      for (const endsAt = time + 1_000 * seconds; time < endsAt;) {
        time += LOOK_MS;
        mock.timers.tick(LOOK_MS);
        await new Promise(setImmediate);
      }
    },
  };
}

test("claims that lapsed while the database was away are left to their heartbeats first, others are rescued at once", async () => {
  const { supervisor, rescues, pass } = start();
  const away = () => {
    throw new Error("away");
  };
  await pass(10, () => false);
  await pass(2, () => true);
  assert.deepEqual(rescues.splice(0), [12_000], "of a worker that died");
  await pass(2, away);
  await pass(2, () => true);
  assert.deepEqual(rescues.splice(0), [16_000], "after one look that failed no heartbeats are missing");
  await pass(30, away);
  // Back at 48 s.
  await pass(8, () => true);
  assert.deepEqual(rescues.splice(0), [52_000, 54_000]);
  supervisor.stop();
});
