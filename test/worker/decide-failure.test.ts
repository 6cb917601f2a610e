import assert from "node:assert/strict";
import { test } from "node:test";
import { IMAGE_ATTEMPTS_MAX } from "../../src/domain/backoff.ts";
import { failed } from "../../src/domain/stage-result.ts";
import { decideFailure } from "../../src/worker/decide-failure.ts";

const { failure } = failed("storage_failed", "The file could not be stored (EACCES).");

test("that an image's file could not be stored is told once it costs the image, and not while the disk is to blame", async () => {
  const said: string[] = [];
  const decide = (attempt: number, isDiskWell = true) =>
    decideFailure(
      { disk: { check: async () => isDiskWell, onGivenUp: (detail) => said.push(detail) }, warn: () => assert.fail() },
      failure,
      attempt,
    );

  assert.equal((await decide(IMAGE_ATTEMPTS_MAX - 1)).kind, "retry");
  assert.equal((await decide(IMAGE_ATTEMPTS_MAX, false)).kind, "release");
  assert.deepEqual(said, []);
  assert.equal((await decide(IMAGE_ATTEMPTS_MAX)).kind, "give_up");
  assert.deepEqual(said, ["The file could not be stored (EACCES)."]);
});
