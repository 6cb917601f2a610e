import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, describe, test } from "node:test";
import sharp from "sharp";
import { Webhook } from "standardwebhooks";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin, type Origin } from "../support/origin.ts";
import { startReceiver } from "../support/receiver.ts";
import { startService, type Service } from "../support/service.ts";

describe("the main job", () => {
  let service: Service;
  let origin: Origin;
  let dataDir: string;

  before(async () => {
    dataDir = await createTestFolder();
    const rotated = await makeSamplePhoto({ width: 300, height: 200, seed: 1, format: "jpeg", orientation: 6 });
    const cutOut = await makeSamplePhoto({ width: 200, height: 200, seed: 2, format: "png", isTransparent: true });
    let flaky = 0;
    origin = await startOrigin((_, response, url) => {
      switch (url.pathname) {
        case "/rotated.jpg":
          return response.end(rotated);
        case "/cut-out.png":
          return response.end(cutOut);
        case "/login.jpg":
          return response.setHeader("content-type", "image/jpeg").end("<!DOCTYPE html><title>Log in</title>");
        case "/flaky.jpg":
          flaky += 1;
          return flaky === 1 ? response.writeHead(503, { "retry-after": "0" }).end() : response.end(rotated);
        default:
          return response.writeHead(404).end();
      }
    });
    service = await startService({ DATABASE_URL: await createTestDatabase(), DATA_DIR: dataDir });
  });

  test("turns a CSV into images, a status, a result CSV and one signed webhook", async () => {
    const receiver = await startReceiver();
    const csv = catalogueOf([
      [`${origin.url}/photo/1.jpg`, `${origin.url}/gone.jpg`, `${origin.url}/photo/2.jpg`],
      [`${origin.url}/login.jpg`],
      [`${origin.url}/photo/1.jpg`],
      [`${origin.url}/flaky.jpg`],
    ]);
    const accepted = await service.upload(csv, { webhookUrl: receiver.url });
    assert.equal(accepted.status, "pending");
    assert.deepEqual([accepted.products, accepted.images], [4, 6]);

    const status = await service.finished(accepted.requestId);
    assert.equal(status.status, "completed");
    assert.equal(status.outcome, "some");
    assert.deepEqual(status.progress, { total: 6, completed: 4, failed: 2, skipped: 0, reused: 0, percent: 100 });
    assert.deepEqual(status.products[0]?.inputImageUrls, [
      `${origin.url}/photo/1.jpg`,
      `${origin.url}/gone.jpg`,
      `${origin.url}/photo/2.jpg`,
    ]);
    assert.deepEqual(
      status.products[0]?.errors.map((error) => error?.code ?? null),
      [null, "not_found", null],
    );
    assert.deepEqual(
      status.products[1]?.errors.map((error) => error?.code),
      ["html_page"],
    );
    assert.equal(status.products[0]?.outputImageUrls[1], null);
    assert.equal(status.products[2]?.outputImageUrls[0], status.products[0]?.outputImageUrls[0]);
    assert.equal(origin.hits.get("/photo/1.jpg"), 1, "a repeated URL is fetched once");
    assert.equal(origin.hits.get("/flaky.jpg"), 2, "what can pass is tried again");
    assert.equal(origin.hits.get("/gone.jpg"), 1, "what cannot is not");

    const outputUrl = status.products[0]?.outputImageUrls[0] ?? "";
    assert.match(outputUrl, /\/outputs\/[A-Za-z0-9_-]{22}\/1-1\.jpg$/);
    const image = await fetch(outputUrl);
    assert.equal(image.headers.get("content-type"), "image/jpeg");
    const metadata = await sharp(Buffer.from(await image.arrayBuffer())).metadata();
    assert.deepEqual([metadata.format, metadata.width, metadata.height], ["jpeg", 320, 240]);

    const result = await (await fetch(accepted.outputCsvUrl)).text();
    const lines = result.split("\n");
    assert.equal(lines[0], "S. No,Product Name,Input Image Urls,Output Image Urls,Status,Errors");
    assert.equal(lines.length, 6);
    assert.ok(lines[1]?.includes(`"${outputUrl},,`), "positions hold where an image failed");

    const delivered = await eventually("the webhook", async () => receiver.deliveries[0]);
    const event = new Webhook(accepted.webhookSecret ?? "").verify(delivered.body, delivered.headers as Record<string, string>) as {
      type: string;
      data: Record<string, unknown>;
    };
    assert.equal(event.type, "batch.completed");
    assert.equal(event.data["requestId"], accepted.requestId);
    assert.equal(event.data["outputCsvUrl"], accepted.outputCsvUrl);
    assert.deepEqual(event.data["progress"], { total: 6, completed: 4, failed: 2, skipped: 0, reused: 0 });
    assert.equal(receiver.deliveries.length, 1);
  });

  test("applies orientation, drops metadata and puts transparency on white", async () => {
    const { requestId } = await service.upload(catalogueOf([[`${origin.url}/rotated.jpg`, `${origin.url}/cut-out.png`]]));
    const status = await service.finished(requestId);
    const [rotated, cutOut] = await Promise.all(
      (status.products[0]?.outputImageUrls ?? []).map(async (url) => sharp(Buffer.from(await (await fetch(url ?? "")).arrayBuffer()))),
    );
    assert.ok(rotated && cutOut);
    const metadata = await rotated.metadata();
    assert.deepEqual([metadata.width, metadata.height, metadata.orientation, metadata.exif], [200, 300, undefined, undefined]);
    const corner = await cutOut.extract({ left: 0, top: 0, width: 1, height: 1 }).raw().toBuffer();
    assert.ok(
      corner.every((value) => value > 250),
      `expected white, got ${[...corner].join(",")}`,
    );
  });

  test("ends as failed where nothing succeeded, with an event that says so", async () => {
    const receiver = await startReceiver();
    const { requestId } = await service.upload(catalogueOf([[`${origin.url}/nothing.jpg`]]), { webhookUrl: receiver.url });
    const status = await service.finished(requestId);
    assert.deepEqual([status.status, status.outcome], ["failed", "none"]);
    const delivered = await eventually("the webhook", async () => receiver.deliveries[0]);
    assert.equal((JSON.parse(delivered.body) as { type: string }).type, "batch.failed");
  });

  test("skips a bad URL on request and keeps its neighbours in place", async () => {
    const { requestId } = await service.upload(catalogueOf([["ftp://x/y.jpg", `${origin.url}/photo/3.jpg`]]), { onInvalid: "skip" });
    const status = await service.finished(requestId);
    assert.deepEqual(
      status.products[0]?.errors.map((error) => error?.code ?? null),
      ["url_invalid", null],
    );
    assert.deepEqual(
      status.products[0]?.outputImageUrls.map((url) => url !== null),
      [false, true],
    );
    assert.deepEqual(status.products[0]?.inputImageUrls[0], "ftp://x/y.jpg");
  });

  test("ends a batch whose images can none of them be fetched", async () => {
    const { requestId } = await service.upload(catalogueOf([["nonsense"], ["mailto:a@b"]]), { onInvalid: "skip" });
    const status = await service.finished(requestId);
    assert.deepEqual([status.status, status.progress.failed], ["failed", 2]);
  });

  test("keeps inputs, outputs and CSVs where the seed put them, and nothing temporary", async () => {
    const { requestId } = await service.upload(catalogueOf([[`${origin.url}/photo/9.jpg`]]));
    await service.finished(requestId);
    const at = (...parts: string[]) => readFile([dataDir, "uploads", ...parts].join("/"));
    assert.ok((await at("inputImages", requestId, "00000", "0.jpg")).length > 0);
    assert.ok((await at("outputImages", requestId, "00000", "1-1.jpg")).length > 0);
    assert.match((await at("inputCsvFiles", requestId, "upload.csv")).toString(), /^S\. No/);
    assert.match((await at("outputCsvFiles", requestId, "results.csv")).toString(), /Output Image Urls/);
  });

  test("refuses loopback addresses unless they are admitted", async () => {
    const guarded = await startService({ DATABASE_URL: await createTestDatabase(), DATA_DIR: await createTestFolder(), ALLOW_CIDRS: "" });
    const { requestId } = await guarded.upload(
      catalogueOf([
        [`${origin.url}/secret.jpg`, `http://localhost:${new URL(origin.url).port}/secret.jpg`, "http://[::ffff:127.0.0.1]/secret.jpg"],
      ]),
    );
    const status = await guarded.finished(requestId);
    assert.deepEqual(
      status.products[0]?.errors.map((error) => error?.code),
      ["address_blocked", "address_blocked", "address_blocked"],
    );
    assert.equal(origin.hits.get("/secret.jpg"), undefined);
  });
});
