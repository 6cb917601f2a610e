// A receiver of Pressrun's webhooks with Fastify 5 (npm install fastify).
//   WEBHOOK_SECRET=whsec_… node fastify.js
import { createHmac, timingSafeEqual } from "node:crypto";
import { writeFile } from "node:fs/promises";
import fastify from "fastify";

// Two secrets with a comma between while a new one replaces an old one; see "Another secret" in docs/webhooks.md.
const KEYS = (process.env.WEBHOOK_SECRET ?? "").split(",").map((secret) => Buffer.from(secret.trim().replace(/^whsec_/, ""), "base64"));
// With an empty key anybody could sign.
if (KEYS.some((key) => key.length < 24)) throw new Error("Set WEBHOOK_SECRET to what signs your webhooks: base64 of 24 bytes or more.");
const TOLERANCE_SECONDS = 5 * 60;
// An event has a few kilobytes, some 35 with much metadata; with webhookPayload=seed at most 100,000 bytes.
const BODY_BYTES_MAX = 256 * 1024;
const IDS_MAX = 10_000;
// Known until a restart, to one process. A table with webhook-id as its primary key lasts, and serves all processes.
const seen = new Set();

// A body that is larger is refused by Fastify itself (413).
const app = fastify({ bodyLimit: BODY_BYTES_MAX });
// The signature is of the bytes as they came, which Fastify's own parser would have thrown away.
app.removeAllContentTypeParsers();
app.addContentTypeParser("*", { parseAs: "buffer" }, async (_request, body) => body);

app.post("/hooks", async (request, reply) => {
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const fault = findFault(request.headers, body);
  if (fault !== null) return reply.code(401).send(fault);
  // A repetition is answered like the first, whose answer may have been lost on the way.
  const id = request.headers["webhook-id"];
  const isRepeated = seen.has(id);
  remember(id);
  // Not awaited: first the answer, then the work. After 20 s without an answer Pressrun sends it again.
  if (!isRepeated) handle(JSON.parse(body.toString())).catch(console.error);
  return reply.code(204).send();
});

console.log(`listens on ${await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT ?? 8080) })}/hooks`);

/** Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`. The header can hold several signatures, of which one must be right. */
function findFault({ "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures }, body) {
  // An id with a dot in it could shift what is signed from one part to the next.
  if (!/^[\w-]{1,100}$/.test(id ?? "") || !/^\d{1,12}$/.test(timestamp ?? "") || !signatures)
    return "webhook-id, webhook-timestamp and webhook-signature are needed";
  // So that whoever recorded a message cannot send it again next week.
  if (Math.abs(Date.now() / 1_000 - Number(timestamp)) > TOLERANCE_SECONDS) return "the message is older or newer than five minutes";
  const given = signatures.split(" ").map((signature) => Buffer.from(signature));
  const isRight = KEYS.some((key) => {
    const expected = Buffer.from(`v1,${createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64")}`);
    // timingSafeEqual, so that the time that it takes tells nothing of how much was right.
    return given.some((signature) => signature.length === expected.length && timingSafeEqual(signature, expected));
  });
  return isRight ? null : "the signature is not right";
}

function remember(id) {
  seen.add(id);
  if (seen.size > IDS_MAX) seen.delete(seen.values().next().value);
}

/** Your own work. What must survive a crash goes into a queue or a table before the answer. */
async function handle({ type, data }) {
  if (!["batch.completed", "batch.failed", "batch.cancelled"].includes(type)) return;
  const result = await fetch(data.outputCsvUrl, { signal: AbortSignal.timeout(60_000) });
  if (!result.ok) throw new Error(`the result CSV: status ${result.status}`);
  await writeFile(`${data.requestId}.csv`, Buffer.from(await result.arrayBuffer()));
  console.log(`${type} ${data.requestId}: ${data.progress.completed} of ${data.progress.total} images`);
}
