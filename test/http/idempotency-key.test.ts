import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import pg from "pg";
import type { AcceptedBatch } from "../../src/contract/batch.ts";
import type { Problem } from "../../src/contract/problem.ts";
import type { Accepted } from "../../src/contract/upload.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin, type Origin } from "../support/origin.ts";
import { startService, type Service } from "../support/service.ts";

describe("an upload with an Idempotency-Key", () => {
  let service: Service;
  let origin: Origin;
  let admin: pg.Client;
  let env: Record<string, string>;
  let exports = 0;
  const hanging = { asked: 0, closed: 0 };
  before(async () => {
    origin = await startOrigin((_, response, url) => {
      if (url.pathname === "/export.csv" && exports === 0) {
        exports += 1;
        response.setHeader("content-type", "text/csv").end(`sku,photo\nC-1,${origin.url}/photo/c.jpg\n`);
      } else if (url.pathname === "/slow.csv" && hanging.closed === 0) {
        hanging.asked += 1;
        const sending = setInterval(() => response.write("sku,"), 50);
        response.once("close", () => {
          clearInterval(sending);
          hanging.closed += 1;
        });
      } else if (url.pathname === "/slow.csv") response.end(`sku,photo\nG-1,${origin.url}/photo/g.jpg\n`);
      else response.writeHead(404).end();
    });
    env = {
      DATABASE_URL: await createTestDatabase(),
      DATA_DIR: await createTestFolder(),
      ROLE: "api",
      PUBLIC_URL: "https://pressrun.test",
      AUTH: "none",
    };
    admin = new pg.Client({ connectionString: env["DATABASE_URL"] });
    await admin.connect();
    onCleanup(() => admin.end());
    service = await startService(env);
  });

  const send = (key: string, body: FormData | string, query = "", at = service) =>
    fetch(`${at.url}/v1/batches${query}`, {
      method: "POST",
      body,
      headers: { "idempotency-key": key, ...(typeof body === "string" ? { "content-type": "text/csv" } : {}) },
    });
  const sendAddress = (key: string, csvUrl: string, signal: AbortSignal | null = null) =>
    fetch(`${service.url}/v1/batches`, {
      method: "POST",
      body: JSON.stringify({ csvUrl }),
      headers: { "content-type": "application/json", "idempotency-key": key },
      signal,
    });
  const form = (csv: string, fields: Record<string, string> = {}) => {
    const made = new FormData();
    for (const [name, value] of Object.entries(fields)) made.set(name, value);
    made.set("file", new File([csv], "products.csv"));
    return made;
  };
  const accepted = async (response: Response): Promise<AcceptedBatch & { isReplay: boolean }> => {
    assert.equal(response.status, 202, await response.clone().text());
    return { ...((await response.json()) as AcceptedBatch), isReplay: response.headers.get("idempotency-replayed") === "true" };
  };
  const refused = async (response: Response, status: number): Promise<Problem> => {
    assert.equal(response.status, status, await response.clone().text());
    return (await response.json()) as Problem;
  };
  /** Batches in the database, and folders of uploaded files. */
  const stored = async () => {
    const { rows } = await admin.query<{ count: number }>("select count(*)::int from batch");
    const files = await readdir(join(env["DATA_DIR"] ?? "", "uploads", "inputCsvFiles"));
    return [rows[0]?.count, files.length];
  };

  test("that comes again is answered as the first time, and done once", async () => {
    const fields = { webhookUrl: `${origin.url}/hook`, quality: "70" };
    const csv = `sku,photo\nA-1,${origin.url}/photo/a.jpg?Expires=1000000000&Signature=x&Key-Pair-Id=y\n`;
    const first = await accepted(await send("lost-answer", form(csv, fields)));
    const before = await stored();
    const again = await accepted(await send('"lost-answer"', form(csv, fields)));
    assert.deepEqual([first.isReplay, again.isReplay], [false, true]);
    assert.match(first.webhookSecret ?? "", /^whsec_/);
    assert.ok((first.warnings ?? []).length > 0);
    assert.deepEqual([again.batchId, again.webhookSecret, again.warnings], [first.batchId, first.webhookSecret, first.warnings]);
    assert.deepEqual(await stored(), before);
  });

  test("is known to every process of the fleet, and on the seed's route as well", async () => {
    const csv = catalogueOf([[`${origin.url}/photo/b.jpg`]]);
    const other = await startService(env);
    const upload = (at: Service) =>
      fetch(`${at.url}/uploadAndProcessDocument`, {
        method: "POST",
        body: csv,
        headers: { "content-type": "text/csv", "idempotency-key": "the-fleet" },
      });
    const [first, again] = [await upload(service), await upload(other)];
    assert.deepEqual([first.headers.get("idempotency-replayed"), again.headers.get("idempotency-replayed")], [null, "true"]);
    assert.deepEqual((await again.json()) as Accepted, (await first.json()) as Accepted);
    assert.equal(again.headers.get("location"), first.headers.get("location"));
    assert.equal((await other.kill("SIGTERM")).code, 0);
  });

  test("is refused where its key belongs to another file or other options, and leaves nothing", async () => {
    const csv = `sku,photo\nD-1,${origin.url}/photo/d.jpg\n`;
    const { batchId } = await accepted(await send("reused", csv, "?quality=70"));
    const before = await stored();
    for (const response of [await send("reused", `${csv}D-2,${origin.url}/photo/e.jpg\n`, "?quality=70"), await send("reused", csv)]) {
      const problem = await refused(response, 422);
      assert.equal(problem.code, "idempotency_key_reused");
      assert.ok(problem.detail.includes(`(batch ${batchId})`), problem.detail);
    }
    assert.deepEqual(await stored(), before);
  });

  test("that was refused can be put right under the same key", async () => {
    assert.equal((await refused(await send("corrected", "sku,photo\nF-1,no-url\n"), 422)).code, "invalid_csv");
    assert.equal((await accepted(await send("corrected", `sku,photo\nF-1,${origin.url}/photo/f.jpg\n`))).isReplay, false);
  });

  test("from an address stands for that address, though nothing lies there any more", async () => {
    const request = () => sendAddress("nightly", `${origin.url}/export.csv`);
    const [first, again] = [await accepted(await request()), await accepted(await request())];
    assert.deepEqual([again.isReplay, again.batchId], [true, first.batchId]);
  });

  test("from an address is forgotten where its client leaves before the file has come, and begins anew when that comes again", async () => {
    const gone = new AbortController();
    const before = await stored();
    const leaving = sendAddress("patience", `${origin.url}/slow.csv`, gone.signal);
    await eventually("the file on its way", async () => hanging.asked === 1);
    gone.abort();
    await assert.rejects(leaving, { name: "AbortError" });
    await eventually("the end of the fetch", async () => hanging.closed === 1);
    assert.deepEqual(await stored(), before);
    assert.equal((await accepted(await sendAddress("patience", `${origin.url}/slow.csv`))).isReplay, false);
    assert.ok(!service.output.some((line) => /failed unexpectedly/.test(line)), service.output.join("\n"));
  });

  test("is told its webhook's secret again for an hour, and not longer", async () => {
    const fields = { webhookUrl: `${origin.url}/hook` };
    const csv = `sku,photo\nS-1,${origin.url}/photo/s.jpg\n`;
    const { webhookSecret } = await accepted(await send("secret", form(csv, fields)));
    assert.equal((await accepted(await send("secret", form(csv, fields)))).webhookSecret, webhookSecret);
    await admin.query("update idempotency_key set created_at = created_at - interval '1 hour' where name = 'secret'");
    assert.equal((await accepted(await send("secret", form(csv, fields)))).webhookSecret, undefined);
    const brought = { ...fields, webhookSecret: `whsec_${Buffer.alloc(32, 1).toString("base64")}` };
    await accepted(await send("brought", form(csv, brought)));
    assert.equal((await accepted(await send("brought", form(csv, brought)))).webhookSecret, undefined);
  });

  test("whose batch is gone makes a new one", async () => {
    const csv = `sku,photo\nI-1,${origin.url}/photo/i.jpg\n`;
    const { batchId } = await accepted(await send("gone", csv));
    await admin.query("delete from batch where batch_id = $1", [batchId]);
    const again = await accepted(await send("gone", csv));
    assert.deepEqual([again.isReplay, again.batchId === batchId], [false, false]);
  });

  test("ten times at once makes one batch; who comes in between is told to come again", async () => {
    const csv = `sku,photo\n${Array.from({ length: 20_000 }, (_, index) => `G-${index},${origin.url}/photo/${index}.jpg\n`).join("")}`;
    const [batches = 0, files = 0] = await stored();
    const answers = await Promise.all(Array.from({ length: 10 }, () => send("at-once", csv)));
    const busy = answers.filter(({ status }) => status === 409);
    for (const response of busy) {
      assert.equal(response.headers.get("retry-after"), "2");
      assert.equal((await refused(response, 409)).code, "upload_in_progress");
    }
    const taken = await Promise.all(answers.filter((response) => !busy.includes(response)).map(accepted));
    assert.equal(taken.filter(({ isReplay }) => !isReplay).length, 1);
    assert.equal(new Set(taken.map(({ batchId }) => batchId)).size, 1);
    assert.deepEqual(await stored(), [batches + 1, files + 1]);
    assert.equal((await accepted(await send("at-once", csv))).batchId, taken[0]?.batchId);
  });

  test("waits for another one under its key, tells after a while to come again, and is taken in when that one has failed", async () => {
    const csv = `sku,photo\nH-1,${origin.url}/photo/h.jpg\n`;
    const other = new pg.Client({ connectionString: env["DATABASE_URL"] });
    await other.connect();
    onCleanup(() => other.end());
    await other.query("begin");
    await other.query("select pg_advisory_xact_lock(x'6964656d'::int, hashtext(tenant_id || ' failing')) from tenant");
    assert.equal((await refused(await send("failing", csv), 409)).code, "upload_in_progress");
    const waiting = send("failing", csv);
    await eventually("the wait", async () => {
      const { rowCount } = await admin.query("select from pg_locks where locktype = 'advisory' and not granted");
      return rowCount === 1;
    });
    await other.query("rollback");
    assert.equal((await accepted(await waiting)).isReplay, false);
  });

  for (const [why, key] of [
    ["longer than 255 characters", "k".repeat(256)],
    ["with a space outside of quotes", "two words"],
    ["of nothing in quotes", '""'],
    ["with a quote in it", 'a"b'],
    ["of two", "a, b"],
  ] as const) {
    test(`is refused under a key ${why}`, async () => {
      const problem = await refused(await send(key, "sku,photo\n"), 400);
      assert.equal(problem.code, "bad_request");
      assert.match(problem.detail, /^Idempotency-Key: Expected one name of 1 to 255 visible ASCII characters/);
    });
  }

  test("has the same key with the quotes, escapes and parameters of the standard as without", async () => {
    const csv = `sku,photo\nQ-1,${origin.url}/photo/q.jpg\n`;
    const { batchId } = await accepted(await send('"the \\"first\\" of May"', csv));
    assert.equal((await accepted(await send('"the \\"first\\" of May";v=1', csv))).batchId, batchId);
    assert.equal((await admin.query("select from idempotency_key where name = 'the \"first\" of May'")).rowCount, 1);
  });
});
