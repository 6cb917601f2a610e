import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { nameFolder } from "../../src/storage/folder-id.ts";
import { makeOnce } from "../../src/storage/make-once.ts";
import { readOrMakeSecretKey } from "../../src/storage/secret-key.ts";
import { createStorage } from "../../src/storage/storage.ts";
import { createTestFolder } from "../support/folder.ts";
import { testOnSmallDisk } from "../support/small-disk.ts";

const ID = "11111111-0000-4000-8000-000000000000";

test("a file is made once, whole, and nothing is left beside it", async () => {
  const folder = await createTestFolder();
  const path = join(folder, "id");
  const made = await Promise.all(["one", "other"].map((text) => makeOnce(path, text, 0o600)));
  assert.deepEqual(made.toSorted(), [false, true]);
  assert.equal(await makeOnce(path, "third", 0o600), false);
  assert.match(await readFile(path, "utf8"), /^(one|other)$/);
  assert.deepEqual(await readdir(folder), ["id"]);
});

testOnSmallDisk("on a full disk no id and no key is made, so that there is one once it has room", "1m", async (disk) => {
  const ballast = join(disk, "ballast");
  const { bavail, bsize } = await statfs(disk);
  await writeFile(ballast, Buffer.alloc(bavail * bsize));
  await assert.rejects(nameFolder(disk, ID, true), { code: "ENOSPC" });
  await assert.rejects(readOrMakeSecretKey(disk, "a".repeat(44)), { code: "ENOSPC" });
  await rm(ballast);
  assert.equal(await nameFolder(disk, ID, true), ID);
  assert.equal(await readOrMakeSecretKey(disk, "a".repeat(44)), "a".repeat(44));
  assert.deepEqual((await readdir(disk)).toSorted(), ["folder-id", "secret-key"]);
});

testOnSmallDisk("what is stored can be had again on a disk that is full at the start", "1m,nr_inodes=40", async (disk) => {
  const at = { batchId: ID, ordinal: 1, fileName: "1-1.jpg" };
  const first = await createStorage({ dataDir: disk });
  const path = first.tempPath();
  await writeFile(path, "one");
  await first.keepOutput(path, at);
  await first.close();
  await nameFolder(disk, ID, true);

  const ballast = join(disk, "ballast");
  await mkdir(ballast);
  const { ffree } = await statfs(disk);
  for (let file = 0; file < ffree; file += 1) await writeFile(join(ballast, String(file)), "");
  assert.equal(await nameFolder(disk, ID.replace("1", "2"), false), ID);
  const again = await createStorage({ dataDir: disk });
  assert.equal((await again.findOutput(at))?.bytes, 3);
  await assert.rejects(again.freeBytes(), "nothing can be written");
  await rm(ballast, { recursive: true });
  await again.sweep();
  assert.ok((await again.freeBytes()) > 0);
  await again.close();
});
