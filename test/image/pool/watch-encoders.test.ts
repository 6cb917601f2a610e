import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nextLookMs, watchEncoders, type Watched } from "../../../src/image/pool/watch-encoders.ts";
import { onCleanup } from "../../support/cleanup.ts";
import { eventually } from "../../support/eventually.ts";

const TASK_MS = 600;

/** An encoder that began its task just now. */
function startEncoder(process: Partial<Watched["process"]>): Watched {
  const now = performance.now();
  const still = { pid: 0, send() {}, kill() {}, residentBytes: () => null, waits: async () => new Map<string, number>() };
  return {
    process: { ...still, ...process },
    isRunning: true,
    isDrawing: false,
    isReady: true,
    bornAt: now,
    startedAt: now,
    verdict: null,
  };
}

/** `waits` is told at each look, by thread. Resolves with how long the encoder was let live. */
async function lifeOf(waits: (look: number) => Record<string, number>, drawingMs?: number): Promise<number> {
  let looks = 0;
  let endedAt: number | undefined;
  const startedAt = performance.now();
  const encoder = startEncoder({
    kill: () => (endedAt ??= performance.now()),
    waits: async () => new Map(Object.entries(waits((looks += 1)))),
  });
  const watch = watchEncoders(() => [encoder], { taskMs: TASK_MS, memoryBytesMax: 1, ...(drawingMs && { drawingMs }) });
  onCleanup(() => watch.stop());
  const lifeMs = (await eventually("its end", async () => endedAt, 20_000)) - startedAt;
  watch.stop();
  assert.equal(encoder.verdict, "deadline");
  return lifeMs;
}

// The rule by itself, since no image makes a real encoder grow as fast as any was seen to, on whatever machine, up to the very limit. That real
// ones are ended by it, and what becomes of their images, is in encoder-memory.test.ts and encoder-pool.test.ts.
test("an encoder is ended before it passes its memory, as fast as any was seen to grow", () => {
  const MIB = 1024 * 1024;
  let residentBytes = 100 * MIB;
  for (let ms = nextLookMs(residentBytes, 512 * MIB); ms !== null; ms = nextLookMs(residentBytes, 512 * MIB))
    residentBytes += 1.2 * MIB * ms;
  assert.ok(residentBytes < 512 * MIB, `${residentBytes}`);
  assert.ok(residentBytes > 490 * MIB, `${residentBytes}: it still had room`);
});

describe("an encoder at its task's deadline", { timeout: 60_000 }, () => {
  test("has what it waited for a core besides, whichever of its threads have ended meanwhile", async () => {
    const lifeMs = await lifeOf((look) => (look === 1 ? { main: 10, worker: 5_000 } : { main: 2_010 }));
    assert.ok(lifeMs > TASK_MS + 2_000, `${lifeMs} ms`);
  });

  test("has no less where it is no drawing, which has another", async () => {
    const lifeMs = await lifeOf(() => ({}), 1);
    assert.ok(lifeMs > TASK_MS, `${lifeMs} ms`);
  });

  test("is ended in the end, however long it waits for a core", async () => {
    const lifeMs = await lifeOf((look) => ({ main: 1e6 * look }));
    assert.ok(lifeMs > 9 * TASK_MS, `${lifeMs} ms`);
  });
});
