import assert from "node:assert/strict";
import { test } from "node:test";
import { serverSettings } from "../../src/embedded/settings.ts";

test("the embedded server's buffers are an eighth of a small container's memory", (t) => {
  const buffersOf = (limitMb: number) => {
    t.mock.method(process, "constrainedMemory", () => limitMb * 1024 * 1024);
    return serverSettings(5_432).find((setting) => setting.startsWith("shared_buffers="));
  };
  assert.deepEqual([512, 1_024, 4_096, 0].map(buffersOf), [
    "shared_buffers=64MB",
    "shared_buffers=128MB",
    "shared_buffers=256MB",
    "shared_buffers=256MB",
  ]);
});
