import assert from "node:assert/strict";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
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

test("the embedded server does without /dev/shm where that cannot be written", { skip: process.platform !== "linux" }, (t) => {
  const isMapped = () => serverSettings(5_432).includes("dynamic_shared_memory_type=mmap");
  assert.equal(isMapped(), false);
  t.mock.method(fs, "accessSync", () => {
    throw new Error("EROFS: read-only file system");
  });
  syncBuiltinESMExports();
  try {
    assert.equal(isMapped(), true);
  } finally {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  }
});
