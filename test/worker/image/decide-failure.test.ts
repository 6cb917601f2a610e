import assert from "node:assert/strict";
import { test } from "node:test";
import { IMAGE_ATTEMPTS_MAX } from "../../../src/domain/load/backoff.ts";
import { FileRefused } from "../../../src/net/body-file.ts";
import { netFailure } from "../../../src/net/net-failure.ts";
import { orStorageFailed } from "../../../src/storage/or-storage-failed.ts";
import { decideFailure } from "../../../src/worker/image/decide-failure.ts";

const LAST = { batchId: "018f", ordinal: 7, attempt: IMAGE_ATTEMPTS_MAX };

async function decide(failure: Parameters<typeof decideFailure>[2], hasRoom: boolean, attempt = LAST.attempt) {
  const said: string[] = [];
  const refusedMs = (_: object, detail: string) => (said.push(detail), 75_000);
  const disk = {
    check: async () => hasRoom,
    refusedMs,
    onStored: assert.fail,
    onGivenUp: (detail: string) => said.push(`given up: ${detail}`),
  };
  const outcome = await decideFailure({ disk, warn: () => assert.fail() }, { ...LAST, attempt }, failure);
  return { kind: outcome.kind, delayMs: "delayMs" in outcome ? outcome.delayMs : null, said };
}

async function failureOf(code: string, errno?: number) {
  const error = Object.assign(new Error(code), { code, errno });
  const result = await orStorageFailed(() => Promise.reject(error));
  assert.ok(!result.ok);
  return { stored: result.failure, downloaded: netFailure(new FileRefused(error)) };
}

// Node 24 has no name for EDQUOT.
for (const [code, errno, name] of [
  ["ENOSPC", -28, "ENOSPC"],
  ["UNKNOWN", -122, "EDQUOT"],
] as const)
  test(`an image whose file met ${name} loses no attempt, though the disk shows room, and waits longer the longer that lasts`, async () => {
    const { stored, downloaded } = await failureOf(code, errno);
    const said = [`The file could not be stored (${name}).`, `The download could not be written (${name}).`];
    assert.deepEqual(await decide(stored, true), { kind: "release", delayMs: 75_000, said: said.slice(0, 1) });
    assert.deepEqual(await decide(downloaded, true), { kind: "release", delayMs: 75_000, said: said.slice(1) });
    assert.deepEqual(await decide(stored, false), { kind: "release", delayMs: 5_000, said: [] }, "which the disk's own line says");
  });

test("what else a disk refuses has its attempts, while that disk has room, and is told once it costs the image", async () => {
  const { stored } = await failureOf("EIO");
  const said = ["given up: The file could not be stored (EIO)."];
  assert.deepEqual(await decide(stored, true), { kind: "give_up", delayMs: null, said });
  const { kind, said: earlier } = await decide(stored, true, LAST.attempt - 1);
  assert.deepEqual({ kind, earlier }, { kind: "retry", earlier: [] });
  assert.deepEqual(await decide(stored, false), { kind: "release", delayMs: 5_000, said: [] });
});

test("an image for whose connection no port was left waits without the loss of an attempt, unless it is IPv6 that there is none of", async () => {
  const failureTo = (address: string) => netFailure(Object.assign(new Error("connect"), { code: "EADDRNOTAVAIL", address }));
  const said: string[] = [];
  const disk = { check: assert.fail, refusedMs: assert.fail, onStored: assert.fail, onGivenUp: assert.fail };
  const deps = { disk, warn: (_: unknown, words: string) => void said.push(words) };
  const outcome = await decideFailure(deps, LAST, failureTo("192.0.2.1"));
  assert.deepEqual(outcome, { kind: "release", delayMs: 5_000 });
  assert.match(said.join(), /^no port is left .* net\.ipv4\.ip_local_port_range/);
  assert.equal(failureTo("2001:db8::1").code, "connect_failed");
});
