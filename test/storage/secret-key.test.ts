import assert from "node:assert/strict";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { readOrMakeSecretKey } from "../../src/storage/secret-key.ts";
import { createTestFolder } from "../support/folder.ts";

test("a key is made once, for its owner only, and is the same from then on", async () => {
  const folder = await createTestFolder();
  const [first, second] = ["a".repeat(44), "b".repeat(44)];
  assert.equal(await readOrMakeSecretKey(folder, first), first);
  assert.equal(await readOrMakeSecretKey(folder, second), first);
  assert.equal((await stat(join(folder, "secret-key"))).mode & 0o777, 0o600);
});

test("a key file with too little in it is refused, with the way out", async () => {
  const folder = await createTestFolder();
  await writeFile(join(folder, "secret-key"), "short\n");
  await assert.rejects(readOrMakeSecretKey(folder, "a".repeat(44)), /SECRET_KEY, or remove the file/);
});
