import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createTcpServer, type AddressInfo, type Server } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { before, describe, test } from "node:test";
import { Webhook } from "standardwebhooks";
import Value from "typebox/value";
import { BatchEvent, SeedEvent } from "../../src/contract/event.ts";
import { METADATA_CHARS_MAX } from "../../src/domain/batch/metadata.ts";
import { createAddressPolicy } from "../../src/domain/url/address-policy.ts";
import { DELIVERY_ATTEMPTS_MAX, deliveryRetryDelayMs } from "../../src/domain/load/backoff.ts";
import { DELIVERY_STATES, EVENT_TYPES } from "../../src/domain/batch/batch-event.ts";
import { SEED_BODY_BYTES_MAX, SEED_PRODUCTS_MAX } from "../../src/domain/batch/seed-payload.ts";
import { AUTHORIZATION_CHARS_MAX } from "../../src/domain/secret/webhook-authorization.ts";
import { createSecret, signatureHeaders } from "../../src/domain/secret/webhook-signature.ts";
import { ANSWER_MS, createPost, type Post } from "../../src/webhook/post.ts";
import { makeCertificates, type Certificate, type Certificates } from "../support/certificates.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { openDeliveries, SECRET, type Deliveries } from "../support/deliveries.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { startReceiver } from "../support/receiver.ts";
import { startService, type Service } from "../support/service.ts";

const PAGE = await readFile(new URL("../../docs/webhooks.md", import.meta.url), "utf8");

/** The text below a heading, up to the next. */
function section(heading: string): string {
  const [, text] = PAGE.split(`\n## ${heading}\n`);
  assert.ok(text, `a section "${heading}"`);
  return text.split("\n## ")[0] ?? "";
}

/** The cells of the first table in a text, without its heading. */
function tableIn(text: string): string[][] {
  const lines = text.split("\n");
  const first = lines.findIndex((line) => line.startsWith("|"));
  const table = lines.slice(first);
  const end = table.findIndex((line) => !line.startsWith("|"));
  return table.slice(2, end === -1 ? undefined : end).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** Blocks of code in one language, in order. */
function blocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(([, block]) => block ?? "");
}

async function listening(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  onCleanup(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const answering =
  (status: number, headers: Record<string, string> = {}) =>
  async () =>
    (await startReceiver((response) => void response.writeHead(status, headers).end())).url;
const tcp = (answer: string | null) => async () =>
  `http://${await listening(
    createTcpServer((socket) => {
      socket.on("error", () => {}).once("data", () => (answer === null ? socket.resetAndDestroy() : socket.end(answer)));
    }),
  )}/`;
const refusing = async () => {
  const server = createTcpServer();
  const host = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  return `http://${host}/`;
};
const tls = (certificate: Certificate) => async () =>
  `https://${await listening(createHttpsServer(certificate, (_, response) => response.end()))}/`;
const POLICY = { policy: createAddressPolicy({ allowCidrs: ["127.0.0.1/32"] }), userAgent: "test" };

type Case = { urls: (() => Promise<string>)[]; post?: Post; attempts?: number; waitsSeconds?: [number, number] };

/** What proves each row of the table of answers, by the row's first cell. */
const proofs = ({ selfSigned, expired, otherHost }: Certificates): Record<string, Case> => ({
  "2xx": { urls: [200, 201, 202, 204, 299].map((status) => answering(status)) },
  "3xx": { urls: [301, 302, 303, 304, 307, 308].map((status) => answering(status, { location: "http://127.0.0.1:1/" })) },
  "4xx": { urls: [400, 401, 403, 404, 409, 413, 422, 499].map((status) => answering(status)) },
  "410": { urls: [answering(410)] },
  "3xx, 4xx or 5xx with `Retry-After`": {
    urls: [
      ...[301, 404, 429, 500].map((status) => answering(status, { "retry-after": "90000" })),
      answering(503, { "retry-after": new Date(Date.now() + 90_000_000).toUTCString() }),
    ],
    waitsSeconds: [86_395, 86_401],
  },
  "5xx": { urls: [500, 502, 503, 504, 599].map((status) => answering(status)), waitsSeconds: [2, 5] },
  "nothing within 20 seconds": { urls: [async () => (await startReceiver(() => {})).url] },
  "connection refused": { urls: [refusing] },
  "connection lost": { urls: [tcp(null), tcp("")] },
  "what is no HTTP": { urls: [tcp("220 smtp.example ESMTP\r\n\r\n")] },
  "TLS error": { urls: [selfSigned, expired, otherHost].map(tls) },
  "name that cannot be resolved": {
    urls: [async () => "http://shop.example/"],
    post: createPost({ ...POLICY, resolve: () => Promise.reject(Object.assign(new Error("no"), { code: "ENOTFOUND" })) }),
  },
  "address that the guard refuses": {
    urls: [answering(200)],
    post: createPost({ ...POLICY, policy: createAddressPolicy({ allowCidrs: [] }) }),
  },
  "the tenth failure": { urls: [answering(500)], attempts: DELIVERY_ATTEMPTS_MAX },
});

describe("docs/webhooks.md", () => {
  let deliveries: Deliveries;
  let certificates: Certificates;
  let service: Service;
  let receiver: Awaited<ReturnType<typeof startReceiver>>;
  let folder: string;
  const secrets = [createSecret(randomBytes(32)), createSecret(randomBytes(32))];
  before(async () => {
    folder = await createTestFolder();
    [deliveries, certificates, receiver] = await Promise.all([openDeliveries(), makeCertificates(), startReceiver()]);
    await writeFile(join(folder, "authority.pem"), certificates.authority);
    service = await startService({
      DATABASE_URL: await createTestDatabase(),
      DATA_DIR: folder,
      NODE_EXTRA_CA_CERTS: join(folder, "authority.pem"),
      SECRET_KEY: randomBytes(32).toString("base64"),
      WEBHOOK_URL: receiver.url,
      WEBHOOK_SECRET: secrets.join(","),
    });
  });

  test("has a row for every answer, and what it says follows", async () => {
    const rows = tableIn(section("Your answer, and what follows"));
    const cases = proofs(certificates);
    assert.deepEqual(rows.map(([answer]) => answer).toSorted(), Object.keys(cases).toSorted());
    for (const [answer = "", follows = "", state] of rows) {
      const { urls, post, attempts = 1, waitsSeconds } = cases[answer] ?? { urls: [] };
      assert.ok(urls.length > 0, answer);
      for (const makeUrl of urls) {
        const key = await deliveries.record(await makeUrl());
        for (let index = 0; index < attempts; index += 1) await deliveries.attempt(key, null, post);
        const found = await deliveries.stateOf(key);
        const where = `${answer}: ${found.detail}`;
        assert.equal(`\`${found.state}\``, state, where);
        assert.equal(found.jobs, found.state === "pending" ? 1 : attempts - 1, where);
        assert.equal(follows.startsWith("sent again"), found.state === "pending", where);
        const [, code] = /\(`(\w+)`\)/.exec(follows) ?? [];
        assert.match(found.detail, code ? new RegExp(`^${code}: `) : /^The receiver answered with status \d{3}\.$/, where);
        if (waitsSeconds)
          assert.ok(found.inSeconds >= waitsSeconds[0] && found.inSeconds <= waitsSeconds[1], `${where}: ${found.inSeconds} s`);
      }
    }
    assert.deepEqual(new Set(rows.map(([, , state]) => state)), new Set(DELIVERY_STATES.map((state) => `\`${state}\``)));
  });

  test("has the schedule of domain/load/backoff.ts", () => {
    const inWords = (ms: number) => {
      const [unit, size] = (
        [
          ["hours", 3_600_000],
          ["minutes", 60_000],
          ["seconds", 1_000],
        ] as const
      ).find(([, unitMs]) => ms >= unitMs) ?? ["seconds", 1_000];
      return { value: Number((ms / size).toFixed(1)), unit };
    };
    const waits = Array.from(
      { length: DELIVERY_ATTEMPTS_MAX - 1 },
      (_, index) => [deliveryRetryDelayMs(index + 1, 0), deliveryRetryDelayMs(index + 1, 1)] as const,
    );
    const expected = waits.map(([least, most], index) => {
      const { value, unit } = inWords(most);
      const divisor = most / value;
      return [String(index + 2), `${Number((least / divisor).toFixed(1))} to ${value} ${unit}`];
    });
    assert.deepEqual(tableIn(section("When it is sent again")), [["1", "not at all"], ...expected]);
    const hours = (index: 0 | 1) => Math.round(waits.reduce((sum, wait) => sum + wait[index], 0) / 3_600_000);
    assert.match(section("When it is sent again"), new RegExp(`All in all ${hours(0)} to ${hours(1)} hours`));
  });

  test("names every type and every header that comes", async () => {
    const target = await startReceiver();
    await deliveries.attempt(await deliveries.record(target.url, null), { url: target.url, secrets: [SECRET], authorization: "Bearer x" });
    const [types, headers] = [
      tableIn(section("What comes, and when")),
      tableIn(section("What comes, and when").split("`BatchEvent`")[1] ?? ""),
    ].map((rows) => rows.map(([name]) => name));
    assert.deepEqual(
      types,
      EVENT_TYPES.map((type) => `\`${type}\``),
    );
    const sent = Object.keys(target.deliveries[0]?.headers ?? {}).filter((name) => !["host", "connection"].includes(name));
    assert.deepEqual(headers?.toSorted(), sent.map((name) => `\`${name}\``).toSorted());
  });

  test("has examples that fit the contract", () => {
    const [event, seed] = blocks(PAGE, "json").map((block) => JSON.parse(block) as unknown);
    assert.deepEqual([...Value.Errors(BatchEvent, event)], []);
    assert.deepEqual([...Value.Errors(SeedEvent, seed)], []);
    assert.deepEqual(
      Object.keys((event as { data: object }).data).toSorted(),
      Object.keys(BatchEvent.properties.data.properties).toSorted(),
    );
    assert.deepEqual(Object.keys(seed as object).toSorted(), Object.keys(SeedEvent.properties).toSorted());
  });

  test("verifies by hand what the service sends", async () => {
    const [command = ""] = blocks(section("Verify it"), "sh");
    const message = { id: "msg_1", timestampSeconds: 1_795_000_000, body: '{"name":"Müller"}' };
    await writeFile(join(folder, "body.json"), message.body);
    const env = { PATH: process.env["PATH"] ?? "", WEBHOOK_SECRET: SECRET, id: message.id, timestamp: String(message.timestampSeconds) };
    assert.equal(
      `v1,${execFileSync("sh", ["-euc", command], { cwd: folder, env, encoding: "utf8" })}`,
      signatureHeaders([SECRET], message)["webhook-signature"],
    );
  });

  test("has the limits of the code", () => {
    const limits = Object.fromEntries(tableIn(section("Limits")).map(([name = "", limit = ""]) => [name, limit]));
    const number = (value: number) => value.toLocaleString("en");
    assert.match(limits["`webhookAuthorization`"] ?? "", new RegExp(`^${number(AUTHORIZATION_CHARS_MAX)} characters`));
    assert.equal(limits["`webhookPayload=seed`"], `${SEED_PRODUCTS_MAX} products, ${number(SEED_BODY_BYTES_MAX)} bytes`);
    assert.match(
      section("As the seed sent it"),
      new RegExp(`at most ${SEED_PRODUCTS_MAX}, and fewer where the body would have more than ${number(SEED_BODY_BYTES_MAX)} bytes`),
    );
    assert.equal(limits["time to answer"], `${ANSWER_MS / 1_000} seconds, the connection included`);
    assert.ok(PAGE.includes(`| nothing within ${ANSWER_MS / 1_000} seconds |`));
    assert.equal(limits["attempts"], String(DELIVERY_ATTEMPTS_MAX));
    assert.match(limits["an event"] ?? "", new RegExp(`\\(${number(METADATA_CHARS_MAX)} characters\\)`));
  });

  test("is right about how large an event can be, and about two secrets at once", async () => {
    const origin = await startOrigin();
    const metadata = JSON.stringify({ note: "语".repeat(METADATA_CHARS_MAX - '{"note":""}'.length) });
    const form = new FormData();
    form.set("file", new Blob([catalogueOf([[`${origin.url}/photo/1.jpg`]])]), `${"语".repeat(251)}.csv`);
    form.set("metadata", metadata);
    assert.equal((await fetch(`${service.url}/v1/batches`, { method: "POST", body: form })).status, 202);
    const delivered = await eventually("the event", async () => receiver.deliveries[0]);
    const bytes = Buffer.byteLength(delivered.body);
    assert.ok(bytes > 24_000 && bytes < 35_000, `${bytes} bytes`);
    for (const secret of secrets) assert.ok(new Webhook(secret).verify(delivered.body, delivered.headers as Record<string, string>));
  });

  test("has a receiver in one line that prints what comes", async () => {
    const [, oneLine = ""] = blocks(section("On your own machine"), "sh");
    // The line's own server says nothing of where it listens.
    const host = (await refusing()).slice("http://".length, -1);
    const child = spawn("sh", ["-c", `exec ${oneLine}`], {
      env: { PATH: `${join(process.execPath, "..")}:${process.env["PATH"] ?? ""}`, PORT: host.split(":")[1] },
      stdio: ["ignore", "pipe", "inherit"],
    });
    onCleanup(() => child.kill("SIGKILL"));
    const printed = text(child.stdout);
    await eventually("the receiver", async () =>
      fetch(`http://${host}/`, { method: "POST", body: "hello" }).then(
        () => true,
        () => null,
      ),
    );
    const origin = await startOrigin();
    const { requestId } = await service.upload(catalogueOf([[`${origin.url}/photo/1.jpg`]]), { webhookUrl: `http://${host}/` });
    await service.finished(requestId);
    const last = await startReceiver();
    await service.upload(catalogueOf([[`${origin.url}/photo/1.jpg`]]), { webhookUrl: last.url });
    await eventually("a later event", async () => last.deliveries.length > 0);
    child.kill("SIGTERM");
    assert.match(await printed, new RegExp(`webhook-signature.+"type":"batch\\.completed".+"requestId":"${requestId}"`, "s"));
  });

  test("is right that a certificate of one's own authority is taken with NODE_EXTRA_CA_CERTS, and a header sent over it", async () => {
    const received = Promise.withResolvers<{ authorization: string | undefined; body: string }>();
    const host = await listening(
      createHttpsServer(certificates.good, async (request, response) => {
        received.resolve({ authorization: request.headers.authorization, body: await text(request) });
        response.end();
      }),
    );
    const { requestId } = await service.upload(catalogueOf([["nowhere"]]), {
      onInvalid: "skip",
      webhookUrl: `https://${host}/hooks`,
      webhookAuthorization: "Basic c2hvcDpzZWNyZXQ=",
    });
    const { authorization, body } = await received.promise;
    assert.equal(authorization, "Basic c2hvcDpzZWNyZXQ=");
    assert.equal((JSON.parse(body) as { data: { requestId: string } }).data.requestId, requestId);
  });
});
