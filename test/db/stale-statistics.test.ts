import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { findClaimedImages } from "../../src/db/claimed-images.ts";
import type { Database, Tx } from "../../src/db/connect.ts";
import { addToShares, keepHeldImages, takeDueImages } from "../../src/db/host-share.ts";
import { insertImages, settleRepeats } from "../../src/db/plan-images.ts";
import { recordRetries, settleImages } from "../../src/db/settle-images.ts";
import { keepInJobs } from "../../src/queue/image-jobs.ts";
import { openTestDatabase } from "../support/database.ts";

type Plan = {
  "Actual Rows": number;
  "Actual Loops": number;
  "Rows Removed by Filter"?: number;
  "Rows Removed by Join Filter"?: number;
  Plans?: Plan[];
};

const BATCH = "019abc12-3456-7def-8123-456789abcdef";
const EARLIER = "019abc11-3456-7def-8123-456789abcdef";
const PLANNED = 20_000;
/** So many rows are asked for. A page may be compared with itself, never with the batch. */
const ASKED = 50;
const LOOKED_AT_MAX = ASKED * ASKED;

const ordinals = Array.from({ length: ASKED }, (_, index) => index * 2);
const keys = ordinals.map((ordinal) => ({ batchId: BATCH, ordinal }));
const attempt = { code: "timed_out", detail: "so it is", startedAgoMs: 0 } as const;
const failed = {
  ...attempt,
  state: "failed",
  source: null,
  isReused: false,
  waitMs: 1,
  fetchMs: 1,
  encodeMs: null,
  storeMs: null,
} as const;

/** The first images' jobs are the last that a reading of all would come to. */
const jobId = (n: number) => String(9 * PLANNED - n).padStart(32, "0");

type Statement = { given?: (tx: Tx) => Promise<unknown>; use: (tx: Tx) => Promise<unknown> };

const settle = (tx: Tx) =>
  settleImages(
    tx,
    keys.map((key) => ({ ...key, ...failed, outputs: [] })),
  );
const retry = (tx: Tx) =>
  recordRetries(
    tx,
    keys.map((key) => ({ ...key, ...attempt, delayMs: 1_000 })),
  );
const plan = (tx: Tx) =>
  insertImages(
    tx,
    BATCH,
    ordinals.map((n) => ({
      ordinal: PLANNED + n,
      line: 1,
      position: 1,
      stem: "s",
      url: `https://h.test/${n}`,
      host: "h.test",
      urlRules: [],
      invalid: null,
    })),
  );

const STATEMENTS: Record<string, Statement> = {
  "a page that is planned": { use: plan },
  "claimed images": { use: (tx) => findClaimedImages(tx, keys) },
  "images that are settled": { use: settle },
  "images that are tried again": { use: retry },
  "repeats of what is settled": { given: settle, use: (tx) => settleRepeats(tx, BATCH, { firsts: ordinals }) },
  "repeats in a page": { given: settle, use: (tx) => settleRepeats(tx, BATCH, { ordinalFrom: 0, ordinalTo: 2 * ASKED }) },
  "images of resumed hosts": { use: (tx) => takeDueImages(tx, { batchId: BATCH, round: 2, limit: ASKED }) },
  "images of paused hosts": {
    given: (tx) => tx.executor.executeSql("update host_share set paused_at = now(), round = 2"),
    use: (tx) => keepHeldImages(tx, { batchId: BATCH, round: 2, ordinals: ordinals.map((n) => n + 1), wereQueued: false }),
  },
  "jobs that keep some of their images": {
    use: (tx) =>
      keepInJobs(
        tx,
        ordinals.map((n) => ({ id: jobId(n), ordinals: [n] })),
      ),
  },
  "shares of hosts": { use: (tx) => addToShares(tx, { batchId: BATCH, round: 2, ordinals }) },
};

/**
 * A batch is loaded and worked on before anybody analyzes it. Judged by what PostgreSQL says that it looked at, since time
 * tells little on a busy machine.
 */
for (const earlier of [0, PLANNED])
  describe(`with statistics of ${earlier} images from before the batch, what is looked up by key`, () => {
    let db: Database;
    before(async () => {
      db = await openTestDatabase();
      await fill(db, earlier);
    });

    for (const [name, { given, use }] of Object.entries(STATEMENTS))
      test(name, async () => {
        const plans: Plan[] = [];
        await db
          .keyedTransaction(async (tx) => {
            await given?.(tx);
            await use(explaining(tx, plans));
            throw new Undone();
          })
          .catch((error: unknown) => assert.ok(error instanceof Undone, String(error)));
        const most = Math.max(...plans.map(mostLookedAt));
        assert.ok(most >= ASKED && most <= LOOKED_AT_MAX, `Expected ${ASKED} to ${LOOKED_AT_MAX} rows looked at in one place, got ${most}`);
      });
  });

/** Every other image repeats the one before it, and each two are of a host that was paused and resumed. */
async function fill({ executor }: Database, earlier: number): Promise<void> {
  const run = (sql: string, ...values: unknown[]) => executor.executeSql(sql, values);
  const { rows } = await run("select 'pgboss.' || table_name as jobs from pgboss.queue where name = 'image'");
  const jobs = String(rows[0]?.["jobs"]);
  const tables = ["batch", "image", "held_image", "host_share", "image_attempt", "output", jobs];
  for (const table of tables) await run(`alter table ${table} set (autovacuum_enabled = false)`);
  await run(
    `insert into image (batch_id, ordinal, line, position, stem, url, host, state, finished_at)
     select $1, n, n, 1, 's' || n, 'https://earlier.test/' || n, 'earlier.test', 'done', now() from generate_series(0, $2::int - 1) n`,
    EARLIER,
    earlier,
  );
  await run("insert into host_share (batch_id, host, round) select batch_id, 'h' || ordinal || '.test', 1 from image");
  const sendJobs = (from: number, to: number) =>
    run(
      `insert into pgboss.job (name, id, data) select 'image', lpad(($4::int - n)::text, 32, '0')::uuid, json_build_object('batchId', $1::text, 'ordinals', array[n, n + 1])
       from generate_series($2::int, $3::int - 1) n`,
      BATCH,
      from,
      to,
      9 * PLANNED,
    );
  await sendJobs(PLANNED, PLANNED + earlier);
  for (const table of tables) await run(`analyze ${table}`);
  await sendJobs(0, PLANNED);
  await run(
    `insert into batch (batch_id, tenant_id, token, recipe, on_invalid, csv_bytes, csv_facts, products, images_total, images_due, is_planned)
     values ($1, '00000000-0000-7000-8000-000000000000', 't', '{}', 'skip', 1, '{}', 1, $2, $2, true)`,
    BATCH,
    PLANNED,
  );
  await run(
    `insert into image (batch_id, ordinal, line, position, stem, url, host, same_as)
     select $1, n, n, 1, 's' || n, 'https://h.test/' || n / 2, 'h' || n / 2 || '.test', case when n % 2 = 1 then n - 1 end
     from generate_series(0, $2::int - 1) n`,
    BATCH,
    PLANNED,
  );
  await run(
    "insert into held_image (batch_id, host, ordinal) select batch_id, host, ordinal from image where same_as is null and state = 'planned'",
  );
  await run("insert into host_share (batch_id, host, round, images_held) select batch_id, host, 1, 1 from held_image");
}

/** Leaves everything as it was for the next statement. */
class Undone extends Error {}

/** Runs each prepared statement with an ear to how it is done. */
function explaining(tx: Tx, plans: Plan[]): Tx {
  const query = async ({ text, values }: { text: string; values: unknown[] }) => {
    const { rows } = await tx.client.query(`explain (analyze, timing off, format json) ${text}`, values);
    plans.push(rows[0]["QUERY PLAN"][0].Plan);
    return { rows: [] };
  };
  return { ...tx, client: { query } as unknown as Tx["client"] };
}

function mostLookedAt(plan: Plan): number {
  const rows = plan["Actual Rows"] + (plan["Rows Removed by Filter"] ?? 0) + (plan["Rows Removed by Join Filter"] ?? 0);
  return Math.max(rows * plan["Actual Loops"], ...(plan.Plans ?? []).map(mostLookedAt));
}
