import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import { readFile } from "node:fs/promises";
import { before, describe, test } from "node:test";
import { Webhook } from "standardwebhooks";
import type { DeliverJob } from "../../src/contract/jobs.ts";
import type { Database } from "../../src/db/connection/connect.ts";
import { listLostDeliveries } from "../../src/db/reconcile.ts";
import { createAddressPolicy, type AddressPolicy } from "../../src/domain/url/address-policy.ts";
import { DELIVERY_ATTEMPTS_MAX } from "../../src/domain/load/backoff.ts";
import { createSecret } from "../../src/domain/secret/webhook-signature.ts";
import { createPost } from "../../src/webhook/post.ts";
import { openDeliveries, SECRET, type Deliveries } from "../support/deliveries.ts";
import { eventually } from "../support/eventually.ts";
import { startReceiver } from "../support/receiver.ts";

describe("a delivery", () => {
  let db: Database;
  let record: Deliveries["record"];
  let attempt: Deliveries["attempt"];
  let stateOf: Deliveries["stateOf"];
  before(async () => {
    ({ db, record, attempt, stateOf } = await openDeliveries());
  });

  test("is signed as Standard Webhooks says, and done with any 2xx", async () => {
    const receiver = await startReceiver((response) => response.writeHead(204).end());
    const key = await record(receiver.url);
    await attempt(key);
    const { state, attempts, jobs } = await stateOf(key);
    assert.deepEqual([state, attempts, jobs], ["delivered", 1, 0]);
    const [delivery] = receiver.deliveries;
    assert.ok(delivery);
    assert.equal(delivery.headers["webhook-id"], key.eventId);
    assert.equal(delivery.headers["content-type"], "application/json");
    assert.deepEqual(new Webhook(SECRET).verify(delivery.body, delivery.headers as Record<string, string>), JSON.parse(delivery.body));
    assert.throws(() =>
      new Webhook(SECRET).verify(delivery.body.replace("completed", "failed"), delivery.headers as Record<string, string>),
    );
    assert.throws(() => new Webhook(createSecret(randomBytes(32))).verify(delivery.body, delivery.headers as Record<string, string>));
    await attempt(key);
    assert.equal(receiver.deliveries.length, 1, "a job that runs once more after it is done sends nothing");
  });

  test("is signed with WEBHOOK_SECRET only where the endpoint has none of its own", async () => {
    const receiver = await startReceiver();
    const configured = { url: receiver.url, secrets: [createSecret(randomBytes(32))], authorization: null };
    await attempt(await record(receiver.url, null), configured);
    await attempt(await record(receiver.url), configured);
    for (const [index, secret] of [configured.secrets[0] ?? "", SECRET].entries()) {
      const delivery = receiver.deliveries[index];
      assert.ok(delivery && new Webhook(secret).verify(delivery.body, delivery.headers as Record<string, string>));
    }
  });

  test("bears a signature by each secret while one takes the other's place", async () => {
    const receiver = await startReceiver();
    const secrets = [createSecret(randomBytes(32)), createSecret(randomBytes(32))];
    await attempt(await record(receiver.url, null), { url: receiver.url, secrets, authorization: null });
    const [delivery] = receiver.deliveries;
    assert.match(String(delivery?.headers["webhook-signature"]), /^v1,\S{44} v1,\S{44}$/);
    for (const secret of secrets) assert.ok(new Webhook(secret).verify(delivery?.body ?? "", delivery?.headers as Record<string, string>));
    assert.throws(() => new Webhook(SECRET).verify(delivery?.body ?? "", delivery?.headers as Record<string, string>));
  });

  test("bears WEBHOOK_AUTHORIZATION only where it goes to WEBHOOK_URL as that is now", async () => {
    const [former, receiver] = [await startReceiver(), await startReceiver()];
    const configured = { url: receiver.url, secrets: [SECRET], authorization: "Bearer abc" };
    for (const url of [former.url, receiver.url]) await attempt(await record(url, null), configured);
    await attempt(await record(receiver.url), configured);
    assert.deepEqual(
      [...former.deliveries, ...receiver.deliveries].map(({ headers }) => headers.authorization),
      [undefined, "Bearer abc", undefined],
    );
  });

  test("with an Authorization header is not sent in the clear to the internet", async () => {
    const receiver = await startReceiver();
    const { port } = new URL(receiver.url);
    // As if the name of a public host led here, so that what should not be sent would be heard.
    const open: AddressPolicy = { isNamed: () => false, isAllowed: () => true, isOpen: () => true };
    const key = await record(`http://shop.example:${port}/hooks`, null);
    const target = { url: `http://shop.example:${port}/hooks`, secrets: [SECRET], authorization: "Bearer abc" };
    await attempt(key, target, createPost({ policy: open, userAgent: "test", resolve: async () => [{ address: "127.0.0.1", family: 4 }] }));
    assert.deepEqual([receiver.deliveries.length, (await stateOf(key)).state], [0, "pending"]);
    const { rows } = await db.executor.executeSql("select detail from delivery_attempt where event_id = $1", [key.eventId]);
    assert.match(String(rows[0]?.["detail"]), /^authorization_withheld: .+https.+ALLOW_CIDRS/);
    await attempt(
      await record(target.url, null),
      { ...target, authorization: null },
      createPost({ policy: open, userAgent: "test", resolve: async () => [{ address: "127.0.0.1", family: 4 }] }),
    );
    assert.equal(receiver.deliveries.length, 1, "without the header it is");
  });

  test("is tried again after anything else, a redirect included, with the same webhook-id", async () => {
    const elsewhere = await startReceiver();
    const answers: [string, (response: ServerResponse) => unknown][] = [
      ["500", (response) => response.writeHead(500).end()],
      ["404", (response) => response.writeHead(404).end()],
      ["a redirect", (response) => response.writeHead(307, { location: elsewhere.url }).end()],
      ["304", (response) => response.writeHead(304).end()],
      ["silence", () => undefined],
      ["a reset", (response) => response.destroy()],
    ];
    for (const [name, answer] of answers) {
      const receiver = await startReceiver((response) => void answer(response));
      const key = await record(receiver.url);
      await attempt(key);
      const { state, attempts, inSeconds, jobs } = await stateOf(key);
      assert.deepEqual([state, attempts, jobs], ["pending", 1, 1], name);
      assert.ok(inSeconds >= 2 && inSeconds <= 5, `${name}: ${inSeconds} s`);
      await attempt(key);
      assert.ok((await stateOf(key)).inSeconds > 120, "later each time");
      if (name === "500") assert.equal(receiver.deliveries[0]?.headers["webhook-id"], receiver.deliveries[1]?.headers["webhook-id"]);
    }
    assert.equal(elsewhere.deliveries.length, 0, "no redirect was followed");
  });

  test("to a receiver that did not answer in time waits without an attempt while two others are under way, until it answers", async () => {
    const open: ServerResponse[] = [];
    let isCured = false;
    const receiver = await startReceiver((response) => void (isCured ? response.end() : open.push(response)));
    const recordOne = () => record(receiver.url);
    const [first, second, third, last] = [await recordOne(), await recordOne(), await recordOne(), await recordOne()];
    await attempt(first);
    const patient = createPost({ policy: createAddressPolicy({ allowCidrs: ["127.0.0.1/32"] }), userAgent: "test" });
    const underWay = [second, third].map((key) => attempt(key, null, patient));
    await eventually("both to be under way", async () => open.length === 3);
    await attempt(last);
    const { state, attempts, jobs, inSeconds } = await stateOf(last);
    assert.deepEqual([state, attempts, jobs, receiver.deliveries.length], ["pending", 0, 1, 3]);
    assert.ok(inSeconds >= 38 && inSeconds <= 41, `${inSeconds} s`);
    isCured = true;
    open[1]?.end();
    await Promise.race(underWay);
    await attempt(last);
    assert.deepEqual([(await stateOf(last)).state, (await stateOf(last)).attempts], ["delivered", 1]);
    open[2]?.end();
    await Promise.all(underWay);
  });

  test("to a receiver whose name servers do not answer waits in the same way", async () => {
    const url = "http://mute-name.test/";
    const [first, second, third, last] = [await record(url), await record(url), await record(url), await record(url)];
    const lookUp = (durationMs: number) => ({ ok: false as const, code: "dns_failed" as const, detail: "EAI_AGAIN", durationMs });
    await attempt(first, null, async () => lookUp(10_000));
    // Shares the look-up of another that had begun before.
    await attempt(first, null, async () => lookUp(20));
    const late = Promise.withResolvers<ReturnType<typeof lookUp>>();
    const underWay = [second, third].map((key) => attempt(key, null, () => late.promise));
    await eventually("both to be under way", async () => (await stateOf(third), true));
    await attempt(last, null, () => assert.fail());
    assert.equal((await stateOf(last)).attempts, 0);
    late.resolve(lookUp(10_000));
    await Promise.all(underWay);
  });

  test("waits as long as the receiver asks", async () => {
    for (const headers of [
      { "retry-after": "600" },
      // By a clock that is not ours.
      { date: "Thu, 01 Jan 2099 00:00:00 GMT", "retry-after": "Thu, 01 Jan 2099 00:10:00 GMT" },
    ]) {
      const receiver = await startReceiver((response) => response.writeHead(503, headers).end());
      const key = await record(receiver.url);
      await attempt(key);
      const { inSeconds } = await stateOf(key);
      assert.ok(inSeconds >= 599 && inSeconds <= 602, `${inSeconds} s`);
    }
  });

  test("is stopped by 410, and by its last attempt", async () => {
    const gone = await startReceiver((response) => response.writeHead(410).end());
    const key = await record(gone.url);
    await attempt(key);
    assert.deepEqual([(await stateOf(key)).state, (await stateOf(key)).jobs], ["gone", 0]);

    const broken = await startReceiver((response) => response.writeHead(500).end());
    const hopeless = await record(broken.url);
    for (let count = 1; count <= DELIVERY_ATTEMPTS_MAX; count += 1) await attempt(hopeless);
    const { state, attempts } = await stateOf(hopeless);
    assert.deepEqual([state, attempts], ["failed", DELIVERY_ATTEMPTS_MAX]);
    const { rows } = await db.executor.executeSql(
      "select attempt, http_status from delivery_attempt where event_id = $1 order by attempt",
      [hopeless.eventId],
    );
    assert.deepEqual(
      rows,
      Array.from({ length: DELIVERY_ATTEMPTS_MAX }, (_, index) => ({ attempt: index + 1, http_status: 500 })),
    );
  });

  test("that was given up is sent again where its row is set back as docs/operating.md says, and recorded after the others", async () => {
    const receiver = await startReceiver((response, count) => response.writeHead(count > 1 ? 200 : 410).end());
    const key = await record(receiver.url);
    await attempt(key);
    const page = await readFile(new URL("../../docs/operating.md", import.meta.url), "utf8");
    const statement = /update delivery set [^`;]+ where state in \('failed', 'gone'\)/.exec(page)?.[0];
    assert.ok(statement);
    await db.executor.executeSql(`${statement} and event_id = $1`, [key.eventId]);
    await db.executor.executeSql("update delivery set next_at = now() - interval '2 minutes' where event_id = $1", [key.eventId]);
    const lost = await db.transaction((tx) => listLostDeliveries(tx, 100));
    assert.deepEqual(lost, [{ ...key, attempts: 0 }], "the reconciler sends its job");
    await attempt(key);
    await attempt(key);
    const { state, attempts, jobs } = await stateOf(key);
    assert.deepEqual([state, attempts, jobs, receiver.deliveries.length], ["delivered", 1, 0, 2]);
    const { rows } = await db.executor.executeSql(
      "select attempt, http_status from delivery_attempt where event_id = $1 order by attempt",
      [key.eventId],
    );
    assert.deepEqual(rows, [
      { attempt: 1, http_status: 410 },
      { attempt: 2, http_status: 200 },
    ]);
  });

  test("to a private address is refused by the guard at the time of sending", async () => {
    const receiver = await startReceiver();
    const guarded = createPost({ policy: createAddressPolicy({ allowCidrs: [] }), userAgent: "test" });
    const key = await record(receiver.url);
    await attempt(key, null, guarded);
    assert.equal(receiver.deliveries.length, 0);
    assert.equal((await stateOf(key)).state, "pending");
    const { rows } = await db.executor.executeSql("select detail from delivery_attempt where event_id = $1", [key.eventId]);
    assert.match(String(rows[0]?.["detail"]), /^address_blocked: /);
  });

  test("whose job runs again after its attempt was recorded is not attempted, and has one job as before", async () => {
    const receiver = await startReceiver((response) => response.writeHead(500).end());
    const key = await record(receiver.url);
    let job: DeliverJob = { ...key, attempts: 0 };
    for (const attempts of [1, 2]) {
      // The second as by a process that was killed between its transaction and the end of the job.
      for (const _ of ["as due", "once more"]) await attempt(job);
      const state = await stateOf(key);
      assert.deepEqual([state.state, state.attempts, state.jobs, receiver.deliveries.length], ["pending", attempts, 1, attempts]);
      const { rows } = await db.executor.executeSql("delete from pgboss.job where data->>'eventId' = $1 returning data", [key.eventId]);
      job = rows[0]?.["data"] as DeliverJob;
    }
  });

  test("that two jobs make at once is counted once", async () => {
    const open: ServerResponse[] = [];
    const receiver = await startReceiver((response) => {
      open.push(response);
      if (open.length === 2) for (const waiting of open) waiting.writeHead(500).end();
    });
    const key = await record(receiver.url);
    await Promise.all([attempt(key), attempt(key)]);
    const { attempts, jobs } = await stateOf(key);
    assert.deepEqual([attempts, jobs], [1, 1]);
  });
});
