import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { startReceiver } from "../support/receiver.ts";
import { startService } from "../support/service.ts";

test("each attempt at an image and at a delivery is a line of the log, without what a URL's query holds", async () => {
  let refusals = 1;
  const origin = await startOrigin((_, response, url) => {
    if (url.pathname !== "/busy.jpg" || refusals === 0) return void response.writeHead(404).end();
    refusals -= 1;
    response.writeHead(500).end();
  });
  const receiver = await startReceiver((response) => response.writeHead(410).end());
  const service = await startService({ DATABASE_URL: await createTestDatabase(), DATA_DIR: await createTestFolder(), LOG_LEVEL: "debug" });
  const urls = [`${origin.url}/photo/1.jpg?signature=s3cret`, `${origin.url}/busy.jpg?signature=s3cret`];
  const { requestId: batchId } = await service.upload(catalogueOf([urls]), { webhookUrl: `${receiver.url}?token=s3cret` });
  await service.finished(batchId);

  const lines = () => service.output.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Record<string, unknown>);
  const given = await eventually("the delivery to be given up", async () => lines().find(({ msg }) => msg === "a delivery was given up"));
  const { eventId, durationMs, time: _time, ...delivery } = given;
  assert.equal(typeof eventId, "string");
  assert.ok(Number(durationMs) >= 0);
  const host = new URL(receiver.url).host;
  const detail = "The receiver answered with status 410.";
  assert.deepEqual(delivery, {
    level: 40,
    msg: "a delivery was given up",
    type: "batch.completed",
    host,
    attempt: 1,
    state: "gone",
    status: 410,
    detail,
  });

  const images = lines().filter(({ msg }) => msg === "image");
  assert.deepEqual(images.map(({ ordinal, attempt, outcome, code }) => [ordinal, attempt, outcome, code ?? null]).toSorted(), [
    [0, 1, "done", null],
    [1, 1, "retry", "server_error"],
    [1, 2, "give_up", "not_found"],
  ]);
  const done = images.find(({ outcome }) => outcome === "done");
  assert.ok(done);
  assert.deepEqual([done["batchId"], done["host"], done["isReused"], done["status"]], [batchId, new URL(origin.url).host, false, 200]);
  for (const name of ["sourceBytes", "outputBytes", "waitMs", "fetchMs", "encodeMs", "storeMs"])
    assert.equal(typeof done[name], "number", name);
  assert.doesNotMatch(service.output.join("\n"), /s3cret/);
});
