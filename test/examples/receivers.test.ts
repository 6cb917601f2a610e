import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { createServer, request, type ServerResponse } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createSecret, signatureHeaders } from "../../src/domain/secret/webhook-signature.ts";
import { serveCgi } from "../support/cgi.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin, type Origin } from "../support/origin.ts";
import { serve } from "../support/serve.ts";
import { startService, type Service } from "../support/service.ts";

const RECEIVERS = fileURLToPath(new URL("../../examples/receivers", import.meta.url));
const [SECRET, NEXT_SECRET] = [createSecret(randomBytes(32)), createSecret(randomBytes(32))];
/** Both, as a receiver has them while one takes the other's place. */
const SECRETS = `${SECRET},${NEXT_SECRET}`;
const BODY_BYTES_MAX = 256 * 1024;
const TOLERANCE_SECONDS = 300;
/** A receiver that works first waits for what is held back, and never answers. */
const ANSWER_MS_MAX = 10_000;

type Running = { url: string; folder: string };
type Example = {
  name: string;
  start(secrets: string): Promise<Running>;
  /** Where its work leaves the result CSV. */ resultFile(of: { requestId: string; messageId: string }): string;
};

const byRequest: Example["resultFile"] = ({ requestId }) => `${requestId}.csv`;
const EXAMPLES: Example[] = [
  {
    name: "express.js",
    start: (secrets) => startProcess([process.execPath, join(RECEIVERS, "express.js")], secrets),
    resultFile: byRequest,
  },
  {
    name: "fastify.js",
    start: (secrets) => startProcess([process.execPath, join(RECEIVERS, "fastify.js")], secrets),
    resultFile: byRequest,
  },
  { name: "receiver.py", start: (secrets) => startProcess(["python3", join(RECEIVERS, "receiver.py")], secrets), resultFile: byRequest },
  { name: "receiver.sh", start: startScript, resultFile: ({ messageId }) => join("inbox", `${messageId}.csv`) },
];

function environment(secrets: string): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "", PORT: "0", WEBHOOK_SECRET: secrets };
}

async function startProcess([file, ...args]: [string, ...string[]], secrets: string): Promise<Running> {
  const folder = await createTestFolder();
  const child = spawn(file, args, { cwd: folder, env: environment(secrets), stdio: ["ignore", "pipe", "pipe"] });
  onCleanup(() => child.kill("SIGKILL"));
  const output: string[] = [];
  const ready = Promise.withResolvers<string>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      output.push(line);
      const [, url] = /^listens on (\S+)/.exec(line) ?? [];
      if (url) ready.resolve(url);
    });
  }
  child.once("exit", (code) => ready.reject(new Error(`${file} ended with ${code}:\n${output.join("\n")}`)));
  return { url: await ready.promise, folder };
}

async function startScript(secrets: string): Promise<Running> {
  const folder = await createTestFolder();
  return { ...(await serveCgi(["sh", join(RECEIVERS, "receiver.sh")], { cwd: folder, env: environment(secrets) })), folder };
}

type Message = { id: string; body: string; headers: Record<string, string> };

/** node:http, which reads an answer that comes before the body was sent, and sends no header of its own accord. */
async function post(url: string, { body, headers }: Pick<Message, "body" | "headers">): Promise<{ status: number; text: string }> {
  const sending = request(url, {
    method: "POST",
    headers: { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)), ...headers },
    agent: false,
  });
  // What is refused before it has come whole ends in a reset, behind the answer.
  sending.on("error", () => {});
  sending.setTimeout(ANSWER_MS_MAX, () => sending.destroy(new Error("there was no answer in time")));
  sending.end(body);
  const [response] = (await once(sending, "response")) as [import("node:http").IncomingMessage];
  const chunks: Buffer[] = await response.toArray();
  return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() };
}

/** Result CSVs that come only when they are let go, and every question for one. */
async function startResults(): Promise<{ url: string; asked: Map<string, ServerResponse[]> }> {
  const asked = new Map<string, ServerResponse[]>();
  const server = createServer(({ url = "" }, response) => void asked.set(url, [...(asked.get(url) ?? []), response]));
  return { url: (await serve(server)).url, asked };
}

function eventOf(requestId: string, resultsUrl: string, note = 'ü, "quoted" and \\'): string {
  const progress = { total: 2, completed: 2, failed: 0, skipped: 0, reused: 0 };
  const data = {
    requestId,
    status: "completed",
    outcome: "all",
    run: 1,
    fileName: null,
    metadata: { requestId: "another", outputCsvUrl: "http://127.0.0.1:1/not-this", note },
    progress,
    bytes: { input: 1, output: 1 },
    pausedAt: null,
    pauseReason: null,
    pausedHost: null,
    outputCsvUrl: `${resultsUrl}/${requestId}.csv`,
    statusUrl: `${resultsUrl}/status`,
  };
  return JSON.stringify({ type: "batch.completed", timestamp: new Date().toISOString(), data });
}

for (const { name, start, resultFile } of EXAMPLES) {
  describe(`examples/receivers/${name}`, { concurrency: false }, () => {
    let receiver: Running;
    let results: Awaited<ReturnType<typeof startResults>>;
    before(async () => {
      [receiver, results] = await Promise.all([start(SECRETS), startResults()]);
    });

    const nowSeconds = () => Math.floor(Date.now() / 1_000);
    const messageOf = (
      given: { secret?: string; ageSeconds?: number; id?: string; body?: string } = {},
    ): Message & { requestId: string } => {
      const requestId = randomUUID();
      const { secret = SECRET, ageSeconds = 0, id = randomUUID(), body = eventOf(requestId, results.url) } = given;
      return { id, requestId, body, headers: signatureHeaders([secret], { id, timestampSeconds: nowSeconds() - ageSeconds, body }) };
    };
    const isAskedFor = (requestId: string) => results.asked.has(`/${requestId}.csv`);
    const letGo = (requestId: string, csv = "") => results.asked.get(`/${requestId}.csv`)?.forEach((response) => response.end(csv));
    const refused = async (message: Message & { requestId: string }, says: RegExp, status = 401) => {
      const answer = await post(receiver.url, message);
      assert.equal(answer.status, status, answer.text);
      assert.match(answer.text, says);
      assert.ok(!isAskedFor(message.requestId), "what is refused is not worked on");
    };

    test("answers before it works, and works once however often the message comes", async () => {
      const message = messageOf();
      assert.equal((await post(receiver.url, message)).status, 204);
      await eventually("the work to begin", async () => isAskedFor(message.requestId));
      // The result is still held back: nobody waited for it.
      for (let index = 0; index < 2; index += 1) assert.equal((await post(receiver.url, message)).status, 204, "a repetition");
      const later = messageOf({ id: message.id, body: message.body, ageSeconds: -1 });
      assert.equal((await post(receiver.url, later)).status, 204, "a later attempt at the same message");
      letGo(message.requestId, "S. No\n1\n");
      const path = join(receiver.folder, resultFile({ requestId: message.requestId, messageId: message.id }));
      await eventually("the work's result", async () => existsSync(path) && (await readFile(path, "utf8")) === "S. No\n1\n");
      // Work that a repetition had caused would have begun before that of a later message.
      const last = messageOf();
      assert.equal((await post(receiver.url, last)).status, 204);
      await eventually("later work to begin", async () => isAskedFor(last.requestId));
      letGo(last.requestId);
      assert.equal(results.asked.get(`/${message.requestId}.csv`)?.length, 1, "the work was done once");
    });

    test("takes a message that is signed with either secret, and one right signature among several", async () => {
      const [old, next] = [messageOf(), messageOf({ secret: NEXT_SECRET })];
      for (const message of [old, next]) assert.equal((await post(receiver.url, message)).status, 204);
      const message = messageOf();
      const wrong = `v1,${randomBytes(32).toString("base64")}`;
      const headers = {
        ...message.headers,
        "webhook-signature": `${wrong} v1a,${randomBytes(64).toString("base64")} ${message.headers["webhook-signature"]}`,
      };
      assert.equal((await post(receiver.url, { ...message, headers })).status, 204);
      for (const { requestId } of [old, next, message]) {
        await eventually("the work to begin", async () => isAskedFor(requestId));
        letGo(requestId);
      }
    });

    test("refuses a signature that is not right", async () => {
      const message = messageOf();
      const right = message.headers["webhook-signature"] ?? "";
      const wrong = [
        messageOf({ secret: createSecret(randomBytes(32)) }).headers["webhook-signature"] ?? "",
        right.slice(0, -2),
        `${right}=`,
        right.slice(3),
        right.replace("v1,", "v2,"),
        `v1,${right}`,
        right.toLowerCase(),
        "v1,",
        "v1,*",
        "*",
        `v1,${randomBytes(32).toString("hex")}`,
        ",",
        `v1,${"A".repeat(900)}`,
      ];
      for (const signature of wrong)
        await refused({ ...message, headers: { ...message.headers, "webhook-signature": signature } }, /signature is not right/);
    });

    test("refuses a body in which one byte was changed, added or taken away", async () => {
      const message = messageOf();
      for (const body of [
        message.body.replace("completed", "completee"),
        `${message.body} `,
        message.body.slice(0, -1),
        "",
        "{}",
        `${message.body}\n`,
      ])
        await refused({ ...message, body }, /signature is not right/);
    });

    test("refuses what is older or newer than five minutes, and takes what is not", async () => {
      for (const ageSeconds of [TOLERANCE_SECONDS + 2, -TOLERANCE_SECONDS - 5, 7 * 86_400, -86_400])
        await refused(messageOf({ ageSeconds }), /older or newer/);
      for (const ageSeconds of [TOLERANCE_SECONDS - 30, -TOLERANCE_SECONDS + 30])
        assert.equal((await post(receiver.url, messageOf({ ageSeconds }))).status, 204);
      // A timestamp that is moved into the tolerance is no longer what was signed.
      const old = messageOf({ ageSeconds: 86_400 });
      await refused({ ...old, headers: { ...old.headers, "webhook-timestamp": String(nowSeconds()) } }, /signature is not right/);
      for (const timestamp of ["soon", "-1", "1e9", "0x5f5e100", `${nowSeconds()}.5`, "9".repeat(30), ` `])
        await refused({ ...old, headers: { ...old.headers, "webhook-timestamp": timestamp } }, /timestamp|older or newer/);
    });

    test("refuses a message without one of its headers, or with an id that is none", async () => {
      for (const missing of ["webhook-id", "webhook-timestamp", "webhook-signature"]) {
        const message = messageOf();
        const headers = Object.fromEntries(Object.entries(message.headers).filter(([header]) => header !== missing));
        await refused({ ...message, headers }, missing === "webhook-signature" ? /signature/ : new RegExp(missing));
      }
      for (const id of ["../../../tmp/x", "a.b", "a b", "a/b", "x".repeat(200), "$(id)", "*"])
        await refused(messageOf({ id }), /webhook-id|too long/);
      assert.deepEqual(
        (await readdir(receiver.folder)).filter((file) => !/\.csv$|^inbox$/.test(file)),
        [],
        "nothing else was written",
      );
    });

    test("refuses a body above its limit, however well it is signed", async () => {
      const frame = eventOf(randomUUID(), results.url, "").length;
      const [largest, tooLarge] = [0, 1].map((more) =>
        messageOf({ body: eventOf(randomUUID(), results.url, "x".repeat(BODY_BYTES_MAX - frame + more)) }),
      );
      assert.ok(largest && tooLarge);
      assert.equal(Buffer.byteLength(largest.body), BODY_BYTES_MAX);
      assert.equal((await post(receiver.url, largest)).status, 204);
      assert.equal((await post(receiver.url, tooLarge)).status, 413);
      assert.equal((await post(receiver.url, { ...tooLarge, body: "x".repeat(3_000_000) })).status, 413);
      // In pieces, without a length: what does not read them on may close before its answer is read.
      const inPieces = await fetch(receiver.url, {
        method: "POST",
        headers: tooLarge.headers,
        body: new Blob([tooLarge.body]).stream(),
        duplex: "half",
      } as RequestInit).then(
        ({ status }) => status,
        () => "closed",
      );
      assert.ok([411, 413, "closed"].includes(inPieces), String(inPieces));
      assert.equal((await post(receiver.url, messageOf())).status, 204, "and takes the next");
    });

    test("does not begin to listen, or answers 500, with a secret that anybody could guess", async () => {
      for (const secret of ["", "whsec_", `${SECRET},whsec_`, "c2hvcnQ="]) {
        const started = await start(secret).then(
          ({ url }) => post(url, messageOf()),
          (error: Error) => ({ status: 500, text: error.message }),
        );
        assert.equal(started.status, 500);
        assert.match(started.text, /WEBHOOK_SECRET/);
      }
    });
  });
}

describe("every receiver in examples/receivers", () => {
  let service: Service;
  let origin: Origin;
  before(async () => {
    origin = await startOrigin();
    service = await startService({ DATABASE_URL: await createTestDatabase(), DATA_DIR: await createTestFolder() });
  });

  test("is one of those that are tested", async () => {
    assert.deepEqual(
      (await readdir(RECEIVERS)).filter((file) => !file.endsWith(".md")).toSorted(),
      EXAMPLES.map(({ name }) => name).toSorted(),
    );
  });

  for (const { name, start } of EXAMPLES) {
    test(`takes a real batch's webhook and fetches its result: ${name}`, async () => {
      const { url, folder } = await start(SECRET);
      const { requestId, outputCsvUrl } = await service.upload(catalogueOf([[`${origin.url}/photo/1.jpg`, `${origin.url}/gone.jpg`]]), {
        webhookUrl: url,
        webhookSecret: SECRET,
      });
      const find = async () => (await readdir(folder, { recursive: true })).find((file) => file.endsWith(".csv"));
      const file = await eventually(`${name} to fetch the result`, find);
      const expected = await (await fetch(outputCsvUrl)).text();
      assert.match(expected, /,partial,/);
      await eventually("the whole of it", async () => (await readFile(join(folder, file), "utf8")) === expected);
      assert.ok(file.includes(requestId) || name === "receiver.sh", file);
    });
  }
});
