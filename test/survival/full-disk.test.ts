import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFile, readdir, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import sharp from "sharp";
import { connectDatabase } from "../../src/db/connection/connect.ts";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { startService } from "../support/service.ts";
import { slowCatalogue, startSlowOrigin } from "../support/slow-catalogue.ts";
import { canMount, testOnSmallDisk } from "../support/small-disk.ts";

const MIB = 1024 * 1024;
const IMAGES = 150;

describe("a disk that takes nothing", { concurrency: true }, () => {
  testOnSmallDisk("a full disk: nothing corrupt, claiming pauses, status answers, work resumes when there is room", "48m", async (disk) => {
    const photo = await makeSamplePhoto({ width: 900, height: 600, seed: 3, format: "jpeg" });
    const origin = await startSlowOrigin(60, photo);
    const service = await startService({
      DATABASE_URL: await createTestDatabase(),
      DATA_DIR: disk,
      DISK_FREE_MB_MIN: "4",
      DOWNLOADS: "1",
      ENCODERS: "1",
    });
    const { requestId } = await service.upload(slowCatalogue(origin, IMAGES));
    await eventually("the first images", async () => (await service.status(requestId, "?limit=1")).progress.completed >= 5);

    await fill(disk);
    await eventually("the pause", async () => service.output.some((line) => line.includes("the disk is full")));
    const paused = await service.status(requestId);
    assert.equal(paused.progress.failed, 0);
    assert.ok(paused.progress.completed < IMAGES, "the batch was caught in the middle");
    const refused = await fetch(`${service.url}/uploadAndProcessDocument`, {
      method: "POST",
      headers: { "content-type": "text/csv" },
      body: "x".repeat(8 * MIB),
    });
    assert.equal(refused.status, 507);

    await rm(join(disk, "ballast"));
    const status = await service.finished(requestId);
    assert.deepEqual([status.progress.completed, status.progress.failed], [IMAGES, 0]);
    const folder = join(disk, "uploads", "outputImages", requestId, "00000");
    for (const name of await readdir(folder))
      assert.equal((await sharp(join(folder, name), { failOn: "warning" }).stats()).isOpaque, true, name);
    assert.equal((await service.kill("SIGTERM")).code, 0);
  });

  for (const [what, take, giveBack] of [
    ["is unmounted", (folder: string) => ["umount", "-l", folder], (folder: string, real: string) => ["mount", "--bind", real, folder]],
    [
      "is read-only",
      (folder: string) => ["mount", "-o", "remount,ro,bind", folder],
      (folder: string) => ["mount", "-o", "remount,rw,bind", folder],
    ],
  ] as const)
    test(
      `while DATA_DIR ${what} nothing is claimed, and it costs no image an attempt`,
      { timeout: 90_000, skip: canMount ? false : "only root can mount a folder" },
      async (t) => {
        const [folder, real] = await Promise.all([createTestFolder(), createTestFolder()]);
        const run = ([command, ...words]: readonly string[]) => spawnSync(command ?? "", words).status === 0;
        if (!run(["mount", "--bind", real, folder])) return t.skip("this system does not allow a mount");
        onCleanup(() => run(["umount", "-l", folder]));
        const origin = await startSlowOrigin(60, await makeSamplePhoto({ width: 320, height: 240, seed: 3, format: "jpeg" }));
        const databaseUrl = await createTestDatabase();
        const service = await startService({ DATABASE_URL: databaseUrl, DATA_DIR: folder, DOWNLOADS: "1", ENCODERS: "1" });
        const { requestId } = await service.upload(slowCatalogue(origin, IMAGES));
        await eventually("the first images", async () => (await service.status(requestId, "?limit=1")).progress.completed >= 5);

        assert.ok(run(take(folder)));
        await eventually("the pause", async () => service.output.some((line) => line.includes("the disk cannot be written")));
        assert.ok((await service.status(requestId)).progress.completed < IMAGES, "the batch was caught in the middle");
        const refused = await fetch(`${service.url}/uploadAndProcessDocument`, {
          method: "POST",
          headers: { "content-type": "text/csv" },
          body: slowCatalogue(origin, 1),
        });
        assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "60"]);
        assert.match(await refused.text(), /files of the service cannot be reached/);
        assert.ok(run(giveBack(folder, real)));
        const { progress } = await service.finished(requestId);
        assert.deepEqual([progress.completed, progress.failed], [IMAGES, 0]);

        const db = connectDatabase({ url: databaseUrl, poolMax: 1, onError: () => {} });
        onCleanup(() => db.close());
        const { rows } = await db.executor.executeSql("select max(attempts) as attempts from image");
        assert.deepEqual(rows, [{ attempts: 1 }]);
        assert.equal((await service.kill("SIGTERM")).code, 0);
      },
    );
});

/** Leaves 1 MiB: less than the reserve, and no room for an upload. By and by, since the service writes meanwhile. */
async function fill(disk: string): Promise<void> {
  for (;;) {
    const { bavail, bsize } = await statfs(disk);
    const room = bavail * bsize - MIB;
    if (room <= 0) return;
    await appendFile(join(disk, "ballast"), Buffer.alloc(Math.min(room, MIB), 1));
  }
}
