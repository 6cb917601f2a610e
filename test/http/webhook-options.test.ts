import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import { before, describe, test } from "node:test";
import { Webhook } from "standardwebhooks";
import Value from "typebox/value";
import type { BatchStatusView } from "../../src/contract/status.ts";
import { SeedEvent } from "../../src/contract/event.ts";
import type { Problem } from "../../src/contract/problem.ts";
import { connectDatabase, type Database } from "../../src/db/connection/connect.ts";
import { SEED_BODY_BYTES_MAX, SEED_PRODUCTS_MAX, type SeedPayload } from "../../src/domain/batch/seed-payload.ts";
import { createSecret } from "../../src/domain/secret/webhook-signature.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase, textOfEveryRow } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin, type Origin } from "../support/origin.ts";
import { startReceiver, type Delivered, type Receiver } from "../support/receiver.ts";
import { startService, type Service } from "../support/service.ts";

const SECRET = createSecret(randomBytes(32));
const TOKEN = "tok3n-of-a-receiver";
const OTHER_TOKEN = "tok3n-of-the-operator";
const KEY = "one key of at least thirty-two characters";

describe("a webhook's options", () => {
  let service: Service;
  let origin: Origin;
  let db: Database;
  let databaseUrl: string;
  let dataDir: string;
  /** Images below /held/ come when they are let go. */
  let held: ServerResponse[] = [];
  before(async () => {
    origin = await startOrigin((_, response, { pathname }) =>
      pathname.startsWith("/held/") ? void held.push(response) : response.writeHead(404).end(),
    );
    databaseUrl = await createTestDatabase();
    dataDir = await createTestFolder();
    db = connectDatabase({ url: databaseUrl, poolMax: 1, onError: () => {} });
    onCleanup(() => db.close());
    service = await startService({ DATABASE_URL: databaseUrl, DATA_DIR: dataDir, SECRET_KEY: KEY, LOG_LEVEL: "debug" });
  });

  const first = (receiver: Receiver) => eventually("the webhook", async () => receiver.deliveries[0]);
  const payloadOf = ({ body, headers }: Delivered, secret: string) =>
    new Webhook(secret).verify(body, headers as Record<string, string>) as SeedPayload;
  const postJson = async (body: object, query = "", at = service) => {
    const response = await fetch(`${at.url}/v1/batches${query}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return { status: response.status, text: await response.text() };
  };
  const products = () => [{ id: "A", images: [`${origin.url}/photo/1.jpg`] }];

  describe("webhookPayload=seed", () => {
    test("sends requestId, status, message and products, signed, as the seed's status has them", async () => {
      const receiver = await startReceiver();
      const csv = catalogueOf([[`${origin.url}/photo/1.jpg`, `${origin.url}/gone.jpg`], [`${origin.url}/photo/2.jpg`]]);
      const { requestId, outputCsvUrl } = await service.upload(csv, {
        webhookUrl: receiver.url,
        webhookSecret: SECRET,
        webhookPayload: "seed",
      });
      const delivered = await first(receiver);
      const payload = payloadOf(delivered, SECRET);
      const status = await service.status(requestId);
      assert.deepEqual(payload, {
        requestId,
        status: "completed",
        message: "2 of 3 images are done, 1 failed.",
        products: status.products,
        productsTotal: 2,
        isTruncated: false,
        nextUrl: null,
        outputCsvUrl,
      });
      assert.deepEqual([...Value.Errors(SeedEvent, payload)], []);
    });

    test("can be asked for in a query and in JSON; what does not ask gets an event", async () => {
      const receivers = [await startReceiver(), await startReceiver(), await startReceiver()] as const;
      const query = new URLSearchParams({ webhookUrl: receivers[0].url, webhookPayload: "seed" });
      assert.equal(
        (
          await fetch(`${service.url}/v1/batches?${query}`, {
            method: "POST",
            headers: { "content-type": "text/csv" },
            body: catalogueOf([["nonsense"]]).replace("nonsense", `${origin.url}/photo/1.jpg`),
          })
        ).status,
        202,
      );
      assert.equal((await postJson({ products: products(), webhookUrl: receivers[1].url, webhookPayload: "seed" })).status, 202);
      assert.equal((await postJson({ products: products(), webhookUrl: receivers[2].url })).status, 202);
      const [byQuery, byJson, plain] = await Promise.all(
        receivers.map(async (receiver) => JSON.parse((await first(receiver)).body) as SeedPayload & { type?: string }),
      );
      assert.deepEqual([byQuery?.message, byJson?.message, plain?.type], ["The image is done.", "The image is done.", "batch.completed"]);
    });

    test("is cut at whole products, by number or by bytes, and leads to the rest", async () => {
      const shapes = [
        { rows: SEED_PRODUCTS_MAX + 50, name: "Mug", expected: (shown: number) => shown === SEED_PRODUCTS_MAX },
        { rows: 150, name: "ü".repeat(1_000), expected: (shown: number) => shown > 10 && shown < 100 },
      ];
      for (const { rows, name, expected } of shapes) {
        const receiver = await startReceiver();
        const csv = [
          "S. No,Product Name,Input Image Urls",
          ...Array.from({ length: rows }, (_, index) => `${index + 1},${name},nowhere`),
          "",
        ].join("\n");
        await service.upload(csv, { webhookUrl: receiver.url, webhookSecret: SECRET, webhookPayload: "seed", onInvalid: "skip" });
        const delivered = await first(receiver);
        const payload = payloadOf(delivered, SECRET);
        const shown = payload.products.length;
        assert.ok(expected(shown), `${shown} products`);
        assert.ok(Buffer.byteLength(delivered.body) <= SEED_BODY_BYTES_MAX);
        assert.deepEqual([payload.productsTotal, payload.isTruncated, payload.status], [rows, true, "failed"]);
        const rest = (await (await fetch(payload.nextUrl ?? "")).json()) as BatchStatusView;
        assert.deepEqual(
          [...payload.products, ...rest.products].map(({ serialNumber }) => Number(serialNumber)),
          Array.from({ length: rows }, (_, index) => index + 1),
        );
      }
    });

    test("is sent at the end alone: whoever knows only that would take a pause for it", async () => {
      const [seed, plain] = [await startReceiver(), await startReceiver()];
      held = [];
      const csv = catalogueOf([[`${origin.url}/held/1.jpg`]]);
      const seedBatch = await service.upload(csv, { webhookUrl: seed.url, webhookPayload: "seed" });
      const plainBatch = await service.upload(csv, { webhookUrl: plain.url });
      await eventually("both images to be asked for", async () => held.length === 2);
      for (const { requestId } of [seedBatch, plainBatch]) {
        for (const change of ["pause", "resume"])
          assert.equal((await fetch(`${service.url}/v1/batches/${requestId}/${change}`, { method: "POST" })).status, 200);
      }
      await eventually("the pause to be told", async () => plain.deliveries.length === 2);
      for (const response of held) response.writeHead(404).end();
      await eventually("the end to be told", async () => plain.deliveries.length === 3 && seed.deliveries.length > 0);
      assert.deepEqual(
        seed.deliveries.map(({ body }) => (JSON.parse(body) as SeedPayload).status),
        ["failed"],
      );
    });
  });

  describe("webhookAuthorization", () => {
    test("goes to the webhook and nowhere else, and stands nowhere in the clear", async () => {
      const seen: (string | undefined)[] = [];
      const images = await startOrigin(({ headers }, response) => {
        seen.push(headers.authorization);
        response.writeHead(404).end();
      });
      const elsewhere = await startReceiver();
      const receiver = await startReceiver((response, count) =>
        count === 1 ? response.writeHead(307, { location: elsewhere.url }).end() : response.end(),
      );
      const fields = { webhookUrl: receiver.url, webhookSecret: SECRET, webhookAuthorization: ` Bearer ${TOKEN} ` };
      const accepted = await service.upload(catalogueOf([[`${images.url}/a.jpg`]]), fields);
      const during = await textOfEveryRow(db);
      const { headers } = await first(receiver);
      assert.equal(headers.authorization, `Bearer ${TOKEN}`);
      await service.finished(accepted.requestId);
      assert.deepEqual([seen, elsewhere.deliveries.length], [[undefined], 0]);
      const attempts = () => db.executor.executeSql("select 1 from delivery_attempt where http_status = 307");
      await eventually("the attempt to be recorded", async () => (await attempts()).rows.length === 1);
      const pages = await Promise.all(
        [accepted.statusUrl, accepted.outputCsvUrl, `${service.url}/v1/batches`, `${service.url}/v1/batches/${accepted.requestId}`].map(
          async (url) => (await fetch(url)).text(),
        ),
      );
      for (const text of [JSON.stringify(accepted), ...during, ...(await textOfEveryRow(db)), ...service.output, ...pages]) {
        assert.ok(!text.includes(TOKEN) && !text.includes(Buffer.from(TOKEN).toString("base64").slice(0, -2)), text);
      }
      assert.ok(
        during.some((text) => text.includes(receiver.url) && text.includes("v1.")),
        "the sealed text is there",
      );
    });

    test("is refused where it is not good, would go in the clear, or has nowhere to go", async () => {
      const { url } = await startReceiver();
      const cases: [object, RegExp][] = [
        [{ webhookUrl: url, webhookAuthorization: `Bearer ${TOKEN}\r\nx: y` }, /visible ASCII on one line/],
        [{ webhookUrl: url, webhookAuthorization: `Bearer ${TOKEN}ü` }, /visible ASCII on one line/],
        [{ webhookUrl: url, webhookAuthorization: " " }, /visible ASCII on one line/],
        [{ webhookUrl: url, webhookAuthorization: `${TOKEN}${"x".repeat(2_000)}` }, /2000/],
        [{ webhookUrl: url, webhookAuthorization: [TOKEN] }, /text of 1 to 2000 characters, got a list of 1/],
        [{ webhookAuthorization: TOKEN }, /webhookUrl.+WEBHOOK_AUTHORIZATION/],
        [{ webhookUrl: "http://93.184.216.34/hook", webhookAuthorization: TOKEN }, /https:\/\/.+ALLOW_CIDRS/],
      ];
      for (const [options, says] of cases) {
        const { status, text } = await postJson({ products: products(), ...options });
        const problem = JSON.parse(text) as Problem;
        assert.deepEqual(
          [status, problem.code, problem.errors?.map((error) => ("field" in error ? error.field : null))],
          [422, "invalid_options", ["webhookAuthorization"]],
          text,
        );
        assert.match(problem.detail, says);
        assert.ok(!text.includes(TOKEN), text);
      }
      const { status, text } = await postJson({ products: products(), webhookUrl: url }, `?webhookAuthorization=${TOKEN}`);
      assert.equal(status, 422);
      assert.match(text, /form field or in a JSON body/);
    });

    test("waits for the right key where it was encrypted with another", async () => {
      const stranger = await startService({ DATABASE_URL: databaseUrl, DATA_DIR: dataDir, ROLE: "api", SECRET_KEY: `${KEY}!` });
      const receiver = await startReceiver();
      const { status } = await postJson({ products: products(), webhookUrl: receiver.url, webhookAuthorization: TOKEN }, "", stranger);
      assert.equal(status, 202);
      await stranger.kill("SIGTERM");
      const find = () =>
        db.executor.executeSql(
          "select a.detail, d.state from delivery_attempt a join delivery d using (event_id, endpoint_id) join endpoint e using (endpoint_id) where e.url = $1",
          [receiver.url],
        );
      const [attempt] = await eventually("an attempt", async () => ((await find()).rows.length > 0 ? (await find()).rows : null));
      assert.match(String(attempt?.["detail"]), /another SECRET_KEY/);
      assert.deepEqual([attempt?.["state"], receiver.deliveries.length], ["pending", 0]);
    });
  });

  test("WEBHOOK_PAYLOAD is for all that say nothing, WEBHOOK_AUTHORIZATION for WEBHOOK_URL alone; an upload's own header needs a key", async () => {
    const [configured, own] = [await startReceiver(), await startReceiver()];
    const operated = await startService({
      DATABASE_URL: await createTestDatabase(),
      DATA_DIR: await createTestFolder(),
      LOG_LEVEL: "debug",
      WEBHOOK_URL: configured.url,
      WEBHOOK_SECRET: SECRET,
      WEBHOOK_AUTHORIZATION: `Basic ${OTHER_TOKEN}`,
      WEBHOOK_PAYLOAD: "seed",
    });
    const csv = catalogueOf([[`${origin.url}/photo/1.jpg`]]);
    await operated.upload(csv);
    assert.equal(payloadOf(await first(configured), SECRET).message, "The image is done.");
    assert.equal((await first(configured)).headers.authorization, `Basic ${OTHER_TOKEN}`);
    await operated.upload(csv, { webhookPayload: "event" });
    await eventually("the second", async () => configured.deliveries.length === 2);
    assert.equal((JSON.parse(configured.deliveries[1]?.body ?? "") as { type: string }).type, "batch.completed");

    const accepted = await operated.upload(csv, { webhookUrl: own.url });
    const delivered = await first(own);
    assert.equal(payloadOf(delivered, accepted.webhookSecret ?? "").message, "The image is done.");
    assert.equal(delivered.headers.authorization, undefined);
    const { status, text } = await postJson({ products: products(), webhookUrl: own.url, webhookAuthorization: TOKEN }, "", operated);
    assert.equal(status, 422);
    assert.match(text, /webhookAuthorization.+SECRET_KEY.*openssl/);
    assert.ok(!operated.output.join("\n").includes(OTHER_TOKEN));
    await operated.kill("SIGTERM");
  });
});
