import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs, { existsSync, mkdirSync, promises, statfsSync, utimesSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rename, rm, rmdir, stat, symlink, utimes, watch, writeFile } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { dirname, join } from "node:path";
import { beforeEach, describe, test } from "node:test";
import { createStorage, type Storage } from "../../src/storage/storage.ts";
import { createFolderElsewhere, createTestFolder } from "../support/folder.ts";
import { testOnSmallDisk } from "../support/small-disk.ts";

const BATCH = "019abc12-3456-7def-8123-456789abcdef";

/** What happens to names of a folder, up to the one that ends it. */
async function eventsUntil(folder: string, last: string) {
  const events = [];
  for await (const event of watch(folder, { persistent: false })) {
    if (event.filename === last) return events;
    events.push(event);
  }
  return events;
}

describe("the storage", () => {
  let dataDir: string;
  let storage: Storage;
  beforeEach(async () => {
    dataDir = await createTestFolder();
    storage = await createStorage({ dataDir });
  });
  const temp = async (text: string) => {
    const path = storage.tempPath();
    await writeFile(path, text);
    return path;
  };
  const listOldUploads = async (listing = storage.listUploads(2 * 3600 * 1_000)) => {
    const all = [];
    for await (const page of listing) all.push(...page);
    return all;
  };

  test("keeps files in the seed's folders, a thousand images to a shard", async () => {
    await storage.keepCsv(await temp("csv"), BATCH);
    await storage.keepResult(await temp("result"), BATCH);
    assert.ok((await storage.keepInput(await temp("in"), { batchId: BATCH, ordinal: 999, extension: "png" })).ok);
    assert.ok((await storage.keepOutput(await temp("out"), { batchId: BATCH, ordinal: 1_000, fileName: "7-1.jpg" })).ok);
    const read = (...names: string[]) => readFile(join(dataDir, "uploads", ...names), "utf8");
    assert.equal(await read("inputCsvFiles", BATCH, "upload.csv"), "csv");
    assert.equal(await read("outputCsvFiles", BATCH, "results.csv"), "result");
    assert.equal(await read("inputImages", BATCH, "00000", "999.png"), "in");
    assert.equal(await read("outputImages", BATCH, "00001", "7-1.jpg"), "out");
    assert.equal((await storage.findOutput({ batchId: BATCH, ordinal: 1_000, fileName: "7-1.jpg" }))?.bytes, 3);
    assert.equal(await storage.findOutput({ batchId: BATCH, ordinal: 1, fileName: "7-1.jpg" }), null);
  });

  test("replaces a file whole, so that a second run of a job does no harm", async () => {
    const at = { batchId: BATCH, ordinal: 0, fileName: "1-1.jpg" };
    await storage.keepOutput(await temp("first"), at);
    await storage.keepOutput(await temp("second, longer"), at);
    const found = await storage.findOutput(at);
    assert.equal(found && (await readFile(found.path, "utf8")), "second, longer");
  });

  test("links a file in the place of what an earlier run has linked, and tells where there is none", async () => {
    const [one, other, target] = [1, 2, 3].map((ordinal) => ({ batchId: BATCH, ordinal, fileName: `${ordinal}-1.jpg` }));
    assert.ok(one && other && target);
    await storage.keepOutput(await temp("one"), one);
    await storage.keepOutput(await temp("other"), other);
    for (const source of [
      { ...one, bytes: 3 },
      { ...other, bytes: 5 },
    ])
      assert.deepEqual(await storage.linkOutput(source, target), { ok: true, value: true });
    const found = await storage.findOutput(target);
    assert.equal(found && (await readFile(found.path, "utf8")), "other");
    assert.deepEqual(await storage.linkOutput({ ...one, fileName: "9-1.jpg", bytes: 3 }, target), { ok: true, value: false });

    // Cut by a restore, or a link that leads nowhere.
    assert.deepEqual(await storage.linkOutput({ ...one, bytes: 4 }, target), { ok: true, value: false });
    const place = found?.path.replace("3-1.jpg", "8-1.jpg") ?? "";
    await symlink(join(dataDir, "nowhere"), place);
    assert.deepEqual(await storage.linkOutput({ ...target, fileName: "8-1.jpg", bytes: 5 }, target), { ok: true, value: false });
  });

  test("copies what cannot be linked, and the copy is at its place only once it is whole", async (t) => {
    const elsewhere = await createFolderElsewhere();
    if (elsewhere === null) return t.skip("this machine has no second file system to write to");
    // A batch that was moved to another disk.
    const moved = { batchId: BATCH.replace("abcdef", "000000"), ordinal: 0, fileName: "1-1.jpg" };
    await storage.keepOutput(await temp("moved"), moved);
    const outputs = join(dataDir, "uploads", "outputImages");
    await cp(join(outputs, moved.batchId), elsewhere, { recursive: true, preserveTimestamps: true });
    await rm(join(outputs, moved.batchId), { recursive: true });
    await symlink(elsewhere, join(outputs, moved.batchId));
    const source = await storage.findOutput(moved);

    const target = { ...moved, batchId: BATCH };
    const shard = join(outputs, BATCH, "00000");
    await storage.keepOutput(await temp("earlier, and longer"), target);
    const seen = eventsUntil(shard, "last");
    for (let times = 0; times < 2; times++) {
      assert.deepEqual(await storage.linkOutput({ ...moved, bytes: 5 }, target), { ok: true, value: true });
      const found = await storage.findOutput(target);
      assert.equal(found && (await readFile(found.path, "utf8")), "moved");
      assert.equal(found?.modifiedAt.getTime(), source?.modifiedAt.getTime());
    }
    await mkdir(join(shard, "last"));
    // A file that is written at its place gives a change, one that is renamed to it does not.
    const ofTarget = (await seen).filter(({ filename }) => filename === "1-1.jpg").map(({ eventType }) => eventType);
    assert.deepEqual(ofTarget, ["rename", "rename"]);
    assert.deepEqual(await readdir(join(dataDir, "uploads", "temp", (await readdir(join(dataDir, "uploads", "temp")))[0] ?? "")), []);

    assert.deepEqual(await storage.linkOutput({ ...moved, fileName: "9-1.jpg", bytes: 5 }, target), { ok: true, value: false });
    await mkdir(join(elsewhere, "00000", "8-1.jpg"));
    const { size: bytes } = await stat(join(elsewhere, "00000", "8-1.jpg"));
    assert.equal((await storage.linkOutput({ ...moved, fileName: "8-1.jpg", bytes }, target)).ok, false, "a folder cannot be copied");
    assert.equal(await readFile(join(shard, "1-1.jpg"), "utf8"), "moved", "what was there stays where the copy fails");
  });

  test("copies also where a file's mode and times cannot be set, as all of a mounted stick or share are somebody else's", async (t) => {
    const at = (ordinal: number) => ({ batchId: BATCH, ordinal, fileName: `${ordinal}-1.jpg` });
    await storage.keepOutput(await temp("one"), at(1));
    const refuse = (code: string) => () => {
      throw Object.assign(new Error(code), { code });
    };
    t.mock.method(fs, "linkSync", refuse("EPERM"));
    // Node's own copy sets the mode.
    t.mock.method(fs, "copyFileSync", refuse("EPERM"));
    t.mock.method(fs, "utimesSync", refuse("ENOSYS"));
    syncBuiltinESMExports();
    const linked = await storage.linkOutput({ ...at(1), bytes: 3 }, at(2));
    t.mock.restoreAll();
    syncBuiltinESMExports();
    assert.deepEqual(linked, { ok: true, value: true });
    assert.equal((await storage.findOutput(at(2)))?.bytes, 3);
  });

  test("knows a quota that is used up also where it is a folder that finds no room", async (t) => {
    const { mkdirSync: make } = fs;
    // Asked for those above as well, it would be told that there is no such folder.
    t.mock.method(fs, "mkdirSync", (path: string, options?: { recursive: boolean }) => {
      const isAbove = options?.recursive === true;
      if (path.endsWith("00000")) throw Object.assign(new Error("mkdir"), isAbove ? { code: "ENOENT" } : { code: "UNKNOWN", errno: -122 });
      return make(path, options);
    });
    syncBuiltinESMExports();
    const kept = await storage.keepOutput(await temp("one"), { batchId: BATCH, ordinal: 1, fileName: "1-1.jpg" });
    t.mock.restoreAll();
    syncBuiltinESMExports();
    assert.ok(!kept.ok);
    assert.deepEqual([kept.failure.isDiskFull, kept.failure.detail], [true, "The file could not be stored (EDQUOT)."]);
  });

  test("tells a file that cannot be stored as the image's failure, not as a surprise", async () => {
    const missing = await storage.keepOutput(storage.tempPath(), { batchId: BATCH, ordinal: 0, fileName: "1-1.jpg" });
    assert.ok(!missing.ok);
    assert.deepEqual([missing.failure.code, missing.failure.retry], ["storage_failed", true]);
  });

  test("makes a folder once more that somebody removed, but nothing in the place of a storage that is gone", async () => {
    const at = (ordinal: number) => ({ batchId: BATCH, ordinal, fileName: `${ordinal}-1.jpg` });
    await storage.keepOutput(await temp("one"), at(1));
    const outputs = join(dataDir, "uploads", "outputImages");
    await rename(join(outputs, BATCH), join(outputs, "moved"));
    assert.ok((await storage.keepOutput(await temp("two"), at(2))).ok);
    await rm(join(outputs, BATCH), { recursive: true });
    await mkdir(join(outputs, BATCH, "00001"), { recursive: true });
    await storage.keepOutput(await temp("far"), at(1_001));
    assert.deepEqual(await storage.linkOutput({ ...at(1_001), bytes: 3 }, at(3)), { ok: true, value: true });
    assert.equal((await storage.findOutput(at(3)))?.bytes, 3);

    const left = await temp("four");
    await rename(join(dataDir, "uploads"), join(dataDir, "away"));
    assert.equal((await storage.keepOutput(left, at(4))).ok, false);
    assert.equal(existsSync(join(dataDir, "uploads")), false);
  });

  test("tells for each output whether the disk has it, and leaves nothing of one that it has not", async () => {
    const at = (ordinal: number) => ({ batchId: BATCH, ordinal, fileName: `${ordinal}-1.jpg`, isLinked: false });
    await storage.keepOutput(await temp("out"), at(1));
    await storage.keepOutput(await temp("out"), at(1_001));
    assert.deepEqual(
      (await storage.flushOutputs([at(1), at(2), at(1_001)])).map(({ ok }) => ok),
      [true, false, true],
    );
    assert.deepEqual(await storage.flushOutputs([]), []);
    const [gone] = await storage.flushOutputs([at(2)]);
    assert.ok(gone?.ok === false);
    assert.deepEqual([gone.failure.code, gone.failure.retry], ["storage_failed", true]);
    // Where the folder's names cannot be put on the disk, no file in it counts as there.
    await rm(join(dataDir, "uploads", "outputImages", BATCH, "00001"), { recursive: true });
    assert.deepEqual(
      (await storage.flushOutputs([at(1_001), { ...at(1_001), isLinked: true }, at(1)])).map(({ ok }) => ok),
      [false, false, true],
    );
  });

  test("has the name of a result on the disk before it is told that it is kept", async (t) => {
    const { fdatasync } = fs;
    const flushed: number[] = [];
    const folder = join(dataDir, "uploads", "outputCsvFiles");
    t.mock.method(fs, "fdatasync", (file: number, done: fs.NoParamCallback) => {
      if (existsSync(join(folder, BATCH, "results.csv"))) flushed.push(fs.fstatSync(file).ino);
      fdatasync(file, done);
    });
    syncBuiltinESMExports();
    await storage.keepResult(await temp("result"), BATCH);
    t.mock.restoreAll();
    syncBuiltinESMExports();
    const named = [join(folder, BATCH), folder].map((path) => fs.statSync(path).ino);
    assert.deepEqual(flushed, named);
  });

  test("makes no path of what is no plain name", async () => {
    for (const fileName of ["../x.jpg", "a/b.jpg", "..", ".hidden", "a..b", "", "x\0.jpg", "a\\b.jpg"]) {
      await assert.rejects(async () => storage.findOutput({ batchId: BATCH, ordinal: 0, fileName }), RangeError, fileName);
    }
    await assert.rejects(async () => storage.keepCsv("x", "../../etc"), RangeError);
  });

  test("removes everything of one batch and nothing of another", async () => {
    const other = BATCH.replace("abcdef", "000000");
    for (const batchId of [BATCH, other]) {
      await storage.keepCsv(await temp("csv"), batchId);
      await storage.keepOutput(await temp("out"), { batchId, ordinal: 0, fileName: "1-1.jpg" });
    }
    await storage.removeBatch(BATCH);
    const left = (await readdir(join(dataDir, "uploads"), { recursive: true })).filter((name) => name.includes("019abc12"));
    assert.ok(left.length > 0 && left.every((name) => name.includes(other)), left.join(" "));
  });

  test("removes of a batch's folder that somebody moved the link alone", async () => {
    const elsewhere = await createTestFolder();
    await writeFile(join(elsewhere, "precious.txt"), "");
    await storage.keepOutput(await temp("out"), { batchId: BATCH, ordinal: 0, fileName: "1-1.jpg" });
    await symlink(elsewhere, join(dataDir, "uploads", "inputImages", BATCH));
    await symlink(elsewhere, join(dataDir, "uploads", "outputImages", BATCH, "00001"));
    await storage.removeBatch(BATCH);
    assert.deepEqual(await readdir(elsewhere), ["precious.txt"]);
    const left = (await readdir(join(dataDir, "uploads"), { recursive: true })).filter((name) => name.includes(BATCH));
    assert.deepEqual(left, []);
  });

  test("sweeps what dead processes left, and never a living one's files", async () => {
    const own = await temp("mine");
    const folder = join(dataDir, "uploads", "temp");
    const host = (await readdir(folder))[0]?.split(".").slice(0, -2).join(".") ?? "";
    const names = { dead: `${host}.999999.1`, reused: `${host}.${process.pid}.1`, foreign: "elsewhere.1.1", foreignOld: "elsewhere.2.1" };
    for (const name of Object.values(names)) {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, "1.tmp"), "x");
    }
    await utimes(join(folder, names.foreignOld), 0, 0);
    await storage.sweep();
    assert.ok(existsSync(own));
    assert.deepEqual(
      (await readdir(folder)).filter((name) => Object.values(names).includes(name)),
      [names.foreign],
    );
  });

  test("sweeps what another container of this machine has not touched for an hour, such as the one before a restart", async () => {
    const folder = join(dataDir, "uploads", "temp");
    const boot = (await readdir(folder))[0]?.split(".").at(-3) ?? "";
    const names = { new: `box-1.${boot}.1.1`, old: `box-2.${boot}.1.1`, elsewhere: "box-3.other-boot.1.1", bootless: "box-4..1.1" };
    for (const name of Object.values(names)) await mkdir(join(folder, name));
    const beforeSeconds = Date.now() / 1_000 - 2 * 3600;
    for (const name of [names.old, names.elsewhere, names.bootless]) await utimes(join(folder, name), beforeSeconds, beforeSeconds);
    await storage.sweep();
    const left = (await readdir(folder)).filter((name) => name.startsWith("box-"));
    assert.deepEqual(left.toSorted(), [names.new, names.elsewhere, names.bootless]);
  });

  test("takes nobody for dead right after it was frozen itself, as all containers of a machine are that sleeps", async () => {
    const own = dirname(await temp("mine"));
    const other = join(dirname(own), `box-1.${own.split(".").at(-3)}.1.1`);
    await mkdir(other);
    const beforeSeconds = Date.now() / 1_000 - 2 * 3600;
    for (const folder of [own, other]) await utimes(folder, beforeSeconds, beforeSeconds);
    await storage.sweep();
    assert.ok(existsSync(other));
    await storage.sweep();
    assert.ok(!existsSync(other));
  });

  test("discards what it can, tells of what it cannot without an error, and removes that with a later sweep", async () => {
    const told: unknown[] = [];
    const telling = await createStorage({ dataDir, onNotRemoved: (error) => told.push((error as NodeJS.ErrnoException).syscall) });
    const path = telling.tempPath();
    await telling.discard(path);
    assert.deepEqual(told, [], "what is not there needs not be removed");
    // A folder cannot be unlinked.
    await mkdir(path);
    await telling.discard(path);
    assert.deepEqual(told, ["unlink"]);
    await telling.sweep();
    assert.ok(existsSync(path));
    await rmdir(path);
    await writeFile(path, "x");
    await telling.sweep();
    assert.deepEqual([existsSync(path), told], [false, ["unlink"]]);
  });

  test("takes nothing for old by its own machine's clock, which may be days ahead or behind", async (t) => {
    const folder = join(dataDir, "uploads", "temp");
    const names = { foreign: "elsewhere.1.1", foreignOld: "elsewhere.2.1" };
    for (const name of Object.values(names)) await mkdir(join(folder, name));
    const daySeconds = 24 * 3600;
    const aged = Date.now() / 1_000 - daySeconds - 60;
    await utimes(join(folder, names.foreignOld), aged, aged);
    await storage.keepCsv(await temp("csv"), BATCH);
    const own = dirname(await temp("mine"));

    for (const offDays of [3, -3]) {
      await utimes(own, 0, 0);
      t.mock.timers.enable({ apis: ["Date"], now: Date.now() + offDays * daySeconds * 1_000 });
      // The first finds its own folder untouched, and shows that it lives.
      await storage.sweep();
      await storage.sweep();
      assert.deepEqual(await listOldUploads(), []);
      t.mock.timers.reset();
      assert.deepEqual(
        (await readdir(folder)).filter((name) => Object.values(names).includes(name)),
        [names.foreign],
      );
      assert.ok(Math.abs((await stat(own)).mtimeMs - Date.now()) < 60_000, "others see by the same clock that it lives");
      await mkdir(join(folder, names.foreignOld));
      await utimes(join(folder, names.foreignOld), aged, aged);
    }
    const uploadFolder = join(dataDir, "uploads", "inputCsvFiles", BATCH);
    await utimes(uploadFolder, aged, aged);
    assert.deepEqual(await listOldUploads(), [BATCH]);
  });

  test("looks for old uploads a page of folders at a time, and asks no folder of a batch with other files for its age", async (t) => {
    const uploads = join(dataDir, "uploads", "inputCsvFiles");
    const old = Array.from({ length: 1_500 }, (_, index) => BATCH.replace(/.{4}$/, String(index).padStart(4, "0")));
    for (const batchId of old) {
      mkdirSync(join(uploads, batchId));
      utimesSync(join(uploads, batchId), 0, 0);
    }
    const worked = BATCH.replace(/.{4}$/, "ffff");
    await mkdir(join(uploads, worked));
    await mkdir(join(dataDir, "uploads", "outputImages", worked));
    const asked = t.mock.method(promises, "stat");
    syncBuiltinESMExports();
    const listing = storage.listUploads(2 * 3600 * 1_000);
    const first = await listing.next();
    const askedFirst = asked.mock.callCount();
    assert.ok(!first.done && [999, 1_000].includes(first.value.length));
    assert.ok(askedFirst <= 1_001, "none of the next page, and the clock's file");
    const rest = await listOldUploads(listing);
    t.mock.restoreAll();
    syncBuiltinESMExports();
    assert.deepEqual([...first.value, ...rest].toSorted(), old);
    assert.ok(!asked.mock.calls.some(({ arguments: [path] }) => String(path).includes(worked)));
  });

  test("a sweep makes its own folder anew, but not below an empty folder in the place of a mount", async () => {
    const own = dirname(await temp("mine"));
    await rm(own, { recursive: true });
    await assert.rejects(storage.freeBytes(), { code: "ENOENT" });
    await storage.sweep();
    assert.ok((await storage.freeBytes()) > 0);
    assert.equal(await readFile(await temp("again"), "utf8"), "again");

    await rename(dataDir, `${dataDir}-away`);
    await mkdir(dataDir);
    await assert.rejects(storage.sweep(), { code: "ENOENT" });
    assert.deepEqual(await readdir(dataDir), []);
    await rmdir(dataDir);
    await rename(`${dataDir}-away`, dataDir);
    await storage.sweep();
    assert.ok((await storage.freeBytes()) > 0);
  });

  testOnSmallDisk(
    "on a disk that is short of inodes nothing can be written, and what finds none says that it is full",
    "4m,nr_inodes=200",
    async (disk) => {
      storage = await createStorage({ dataDir: disk });
      assert.ok((await storage.freeBytes()) > 0);
      for (let free = statfsSync(disk).ffree; free >= 20; free -= 1) await temp("");
      await assert.rejects(storage.freeBytes(), /no files but 19 can be made any more: expected 20/);
      const last = await temp("out");
      while (statfsSync(disk).ffree > 0) await temp("");
      const kept = await storage.keepOutput(last, { batchId: BATCH, ordinal: 1, fileName: "1-1.jpg" });
      assert.deepEqual(kept.ok ? null : [kept.failure.detail, kept.failure.isDiskFull], ["The file could not be stored (ENOSPC).", true]);
      await storage.discard(last);
      assert.equal(spawnSync("mount", ["-o", "remount,nr_inodes=400", disk]).status, 0);
      assert.ok((await storage.freeBytes()) > 0);
    },
  );

  test("refuses a folder of another file system, where no file could be put at its place", async (t) => {
    const elsewhere = await createFolderElsewhere();
    if (elsewhere === null) return t.skip("this machine has no second file system to write to");
    const divided = await createTestFolder();
    await mkdir(join(divided, "uploads"));
    await symlink(elsewhere, join(divided, "uploads", "outputImages"));
    await assert.rejects(
      createStorage({ dataDir: divided }),
      /outputImages and .*temp are two file systems or mounts: expected one.*Mount DATA_DIR/,
    );
    assert.deepEqual([await readdir(elsewhere), await readdir(join(divided, "uploads", "temp"))], [[], []]);
  });

  test("takes another machine of the same name for no dead process of its own", async (t) => {
    const { readFile: read } = promises;
    const machine: Record<string, string> = {
      "/proc/sys/kernel/random/boot_id": "1b4e28ba-2fa1-11d2-883f-0016d3cca427\n",
      "/proc/999999/stat": `999999 (node) S ${"1 ".repeat(50)}`,
    };
    t.mock.method(promises, "readFile", async (path: string, ...rest: []) => machine[path] ?? read(path, ...rest));
    t.mock.property(process, "pid", 999_999);
    syncBuiltinESMExports();
    const there = await createStorage({ dataDir });
    t.mock.restoreAll();
    syncBuiltinESMExports();
    const path = there.tempPath();
    await writeFile(path, "x");

    await storage.sweep();
    assert.ok(existsSync(path));
    // After a power cut it would be this machine's own.
    const beforeMs = Date.now() - 2 * 3600 * 1_000;
    await utimes(dirname(path), beforeMs / 1_000, beforeMs / 1_000);
    await storage.sweep();
    assert.ok(!existsSync(dirname(path)));
  });

  test("sweeps nothing of which it cannot tell whether its process lives", async (t) => {
    const folder = join(dataDir, "uploads", "temp");
    const host = (await readdir(folder))[0]?.split(".").slice(0, -2).join(".") ?? "";
    // A link to itself is the folder of another machine whose disk gives an error.
    await symlink("elsewhere.1.1", join(folder, "elsewhere.1.1"));
    const names = { living: `${host}.${process.ppid}.1`, dead: `${host}.999999.1` };
    for (const name of Object.values(names)) await mkdir(join(folder, name));
    const { readFile: read } = promises;
    t.mock.method(promises, "readFile", (path: string, ...rest: []) =>
      path === `/proc/${process.ppid}/stat`
        ? Promise.reject(Object.assign(new Error("no descriptor"), { code: "EMFILE" }))
        : read(path, ...rest),
    );
    syncBuiltinESMExports();
    await storage.sweep();
    t.mock.restoreAll();
    syncBuiltinESMExports();
    assert.deepEqual(
      (await readdir(folder)).filter((name) => !name.includes(`.${process.pid}.`)).toSorted(),
      [names.living, "elsewhere.1.1"].toSorted(),
    );
  });
});
