import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { statfsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { connectDatabase } from "../../src/db/connection/connect.ts";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { catalogueOf, startOrigin, type Handler } from "../support/origin.ts";
import { startService } from "../support/service.ts";
import { slowCatalogue, startSlowOrigin } from "../support/slow-catalogue.ts";
import { testOnSmallDisk } from "../support/small-disk.ts";

const MIB = 1024 * 1024;
/** A photo is this large and quickly encoded, so that hundreds are fetched ahead. */
const PHOTO_BYTES = MIB;
const RESERVE_MB = 64;

describe("the reserve of a small disk", { concurrency: true }, () => {
  // Photos that follow small ones are all asked for before the first of them tells its size.
  for (const [what, small, askedAgainMax] of [
    ["of one size", 0, 100],
    ["that follow small ones", 100, 600],
  ] as const)
    testOnSmallDisk(`images ${what} that are fetched ahead leave the reserve alone, and go on when there is room`, "192m", async (disk) => {
      const [thumbnail, photo] = await makePhotos(PHOTO_BYTES);
      const origin = await startOrigin((_, response, { pathname }) => {
        const body = Number(/\d+/.exec(pathname)?.[0]) < small ? thumbnail : photo;
        setTimeout(() => response.setHeader("content-type", "image/jpeg").end(body), 200);
      });
      const service = await startService({ ...(await settingsFor(disk)), DOWNLOADS_PER_HOST: "1024" });
      const free = watchFree(disk);
      const images = small + 400;
      const { requestId } = await service.upload(slowCatalogue(origin, images));
      // There is room for 64 with an output as large as each.
      await eventually(
        "what there is room for",
        async () => (await service.status(requestId, "?limit=1")).progress.completed >= small + 60,
      );
      assert.ok(free.least >= RESERVE_MB * MIB, `${Math.round(free.least / MIB)} MiB were left`);

      assert.equal(spawnSync("mount", ["-o", "remount,size=1g", disk]).status, 0);
      const end = await service.finished(requestId);
      assert.deepEqual([end.progress.completed, end.progress.failed], [images, 0]);
      assert.ok(free.least >= RESERVE_MB * MIB, "and until the end");
      const asked = [...origin.hits.values()].reduce((sum, hits) => sum + hits, 0);
      assert.ok(asked - images <= askedAgainMax, `${asked - images} times one was asked for again`);
      assert.equal((await service.kill("SIGTERM")).code, 0);
    });

  testOnSmallDisk("images that wait for a slow host hold no room of a small disk", "192m", async (disk) => {
    const [, photo] = await makePhotos(PHOTO_BYTES);
    const origin = await startSlowOrigin(0, photo);
    const mute = await startOrigin(() => {});
    const service = await startService({ ...(await settingsFor(disk)), DOWNLOADS_PER_HOST: "1" });
    const first = await service.upload(slowCatalogue(origin, 10));
    await service.finished(first.requestId);
    await service.upload(slowCatalogue(mute, 300));
    await eventually("the slow host to be asked", async () => mute.hits.size === 1);
    const next = await service.upload(slowCatalogue(origin, 20), { refresh: "always" });
    const { progress } = await service.finished(next.requestId);
    assert.deepEqual([progress.completed, progress.failed], [20, 0]);
    assert.equal(mute.hits.size, 1, "its first answer is still awaited");
  });

  testOnSmallDisk(
    "one image for which a small disk has no room keeps none of the others waiting, and loses no attempt",
    "96m",
    async (disk) => {
      const [photo, large] = await makePhotos(40 * MIB);
      const origin = await startOrigin((_, response, { pathname }) =>
        response.setHeader("content-type", "image/jpeg").end(pathname === "/slow/0.jpg" ? large : photo),
      );
      const settings = await settingsFor(disk);
      const service = await startService({ ...settings, DOWNLOADS: "4" });
      const free = watchFree(disk);
      const { requestId } = await service.upload(slowCatalogue(origin, 100));
      await eventually("the small images", async () => (await service.status(requestId, "?limit=1")).progress.completed === 99);
      const { progress } = await service.status(requestId);
      assert.equal(progress.failed, 0);
      assert.ok(free.least >= RESERVE_MB * MIB, `${Math.round(free.least / MIB)} MiB were left`);
      const hits = origin.hits.get("/slow/0.jpg") ?? 0;
      assert.ok(hits <= 5, `it was asked for ${hits} times`);

      assert.equal(spawnSync("mount", ["-o", "remount,size=1g", disk]).status, 0);
      assert.equal((await service.finished(requestId)).progress.completed, 100);
      const db = connectDatabase({ url: settings.DATABASE_URL, poolMax: 1, onError: () => {} });
      onCleanup(() => db.close());
      assert.deepEqual((await db.executor.executeSql("select max(attempts) as attempts from image")).rows, [{ attempts: 1 }]);
      assert.equal((await service.kill("SIGTERM")).code, 0);
    },
  );

  for (const [what, isRedirected] of [
    ["whose earlier outputs are gone", false],
    ["that are redirected to a host of others", true],
  ] as const)
    testOnSmallDisk(`images ${what} end on a small disk, though no size is known at first`, "128m", async (disk) => {
      const [photo] = await makePhotos(0);
      const answer: Handler = ({ headers }, response) => {
        if (headers["if-none-match"] === undefined) response.writeHead(200, { "content-type": "image/jpeg", etag: '"1"' }).end(photo);
        else response.writeHead(304).end();
      };
      const origin = await startOrigin(answer);
      const other = await startOrigin((_, response, { pathname }) => response.writeHead(302, { location: origin.url + pathname }).end());
      const settings = { ...(await settingsFor(disk)), DOWNLOADS_PER_HOST: "4" };
      const urls = Array.from({ length: 40 }, (_, index) => `${isRedirected && index % 2 === 0 ? other.url : origin.url}/${index}.jpg`);
      const catalogue = catalogueOf(urls.map((url) => [url]));
      if (!isRedirected) {
        const service = await startService(settings);
        const { requestId } = await service.upload(catalogue);
        await service.finished(requestId);
        await rm(join(disk, "uploads", "outputImages", requestId), { recursive: true });
        assert.equal((await service.kill("SIGTERM")).code, 0);
      }
      const service = await startService(settings);
      const { requestId } = await service.upload(catalogue);
      const { progress } = await service.finished(requestId);
      assert.deepEqual([progress.completed, progress.failed], [urls.length, 0]);
    });
});

async function settingsFor(disk: string) {
  return { DATABASE_URL: await createTestDatabase(), DATA_DIR: disk, DISK_FREE_MB_MIN: String(RESERVE_MB), ENCODERS: "1" };
}

/** A small photo, and one that is so many bytes larger and encoded as quickly. */
async function makePhotos(moreBytes: number): Promise<[Buffer, Buffer]> {
  const photo = await makeSamplePhoto({ width: 120, height: 90, seed: 3, format: "jpeg" });
  return [photo, Buffer.concat([photo, Buffer.alloc(moreBytes)])];
}

/** The least bytes that have been free, looked at all the time. */
function watchFree(disk: string): { readonly least: number } {
  let least = Infinity;
  const timer = setInterval(() => {
    const { bavail, bsize } = statfsSync(disk);
    least = Math.min(least, bavail * bsize);
  }, 5);
  onCleanup(() => clearInterval(timer));
  return {
    get least() {
      return least;
    },
  };
}
