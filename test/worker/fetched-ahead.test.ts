import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin, type Origin } from "../support/origin.ts";
import { startService, type Service } from "../support/service.ts";

/** More than the window holds before the end, and than is worked off before the next batch is in the queue. */
const AHEAD = 200;

/** The end of all there is to do, where some answers are awaited for long: there are seconds of work in hand. */
describe("at the end", () => {
  let service: Service;
  let origin: Origin;

  before(async () => {
    const photo = await makeSamplePhoto({ width: 900, height: 675, seed: 3, format: "jpeg" });
    origin = await startOrigin((_, response, url) => {
      if (!url.pathname.startsWith("/mute/")) response.setHeader("content-type", "image/jpeg").end(photo);
    });
    service = await startService({
      DATABASE_URL: await createTestDatabase(),
      DATA_DIR: await createTestFolder(),
      ENCODERS: "1",
      DOWNLOADS_PER_HOST: "1024",
    });
  });

  const upload = (name: string, images: number) =>
    service.upload(catalogueOf(Array.from({ length: images }, (_, index) => [`${origin.url}/${name}/${index}.jpg`])));
  const doneOf = async ({ requestId }: { requestId: string }) => (await service.status(requestId, "?limit=1")).progress.completed;

  test("a batch that begins takes turns with the one of which so much is in hand", { timeout: 60_000 }, async () => {
    await upload("mute", 1);
    const large = await upload("large", 1_500);
    await eventually("images to be fetched ahead", async () => origin.hits.size - (await doneOf(large)) > AHEAD);
    const before = await doneOf(large);
    const next = await upload("next", 150);
    await eventually("ten of its images", async () => (await doneOf(next)) >= 10);
    const meanwhile = (await doneOf(large)) - before;
    assert.ok(meanwhile < AHEAD / 2, `${meanwhile} images of the other batch came first`);
  });
});
