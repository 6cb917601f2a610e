import assert from "node:assert/strict";
import { test } from "node:test";
import type { AcceptedBatch } from "../../src/contract/batch.ts";
import { isDatabaseAway } from "../../src/db/connection/connect.ts";
import { createServer, type HttpDeps } from "../../src/http/server.ts";
import { acceptUpload } from "../../src/intake/accept-upload.ts";
import { createStorage } from "../../src/storage/storage.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestFolder } from "../support/folder.ts";
import { intakeInto } from "../support/intake.ts";
import { openTestQueue } from "../support/queue.ts";

test("an upload that is stored is accepted with its secret, though the database is away before the answer", async () => {
  const { db, queue } = await openTestQueue();
  const storage = await createStorage({ dataDir: await createTestFolder() });
  const findBatch = () => Promise.reject(new Error("Connection terminated unexpectedly"));
  const intake = { ...intakeInto({ db, queue, storage }), findLoadedBatch: findBatch };
  const unasked = () => assert.fail();
  // Of what the routes need, this one's part.
  const app = await createServer({
    settings: { auth: "none", apiKeys: [], publicUrl: () => "http://127.0.0.1", uploadBytesMax: 10_000, uploadMs: 10_000, version: "0" },
    tempPath: storage.tempPath,
    discard: storage.discard,
    fetchCsv: unasked,
    acceptUpload: (upload) => acceptUpload(intake, upload),
    findBatch,
    isUnavailable: isDatabaseAway,
    log: { debug: () => {}, info: unasked, warn: unasked, error: unasked },
  } as Partial<HttpDeps> as HttpDeps);
  onCleanup(() => app.close());

  const answer = await app.inject({
    method: "POST",
    url: "/v1/batches",
    headers: { "content-type": "application/json" },
    payload: { products: [{ id: "1", images: ["https://shop.test/a.jpg"] }], webhookUrl: "https://shop.test/hook" },
  });
  assert.equal(answer.statusCode, 202, answer.body);
  const accepted = answer.json<AcceptedBatch>();
  assert.match(accepted.webhookSecret ?? "", /^whsec_/);
  assert.deepEqual((await db.executor.executeSql("select batch_id, images_total, created_at from batch")).rows, [
    { batch_id: accepted.batchId, images_total: 1, created_at: new Date(accepted.createdAt) },
  ]);
});
