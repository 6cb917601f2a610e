import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { escapeIdentifier, escapeLiteral } from "pg";
import { listSealedBatches } from "../../src/db/batches.ts";
import { findClaimedImages, type ClaimedImage } from "../../src/db/claimed-images.ts";
import type { Database, Executor, Tx } from "../../src/db/connection/connect.ts";
import { addToShares, keepHeldImages, takeDueImages } from "../../src/db/host-share.ts";
import { findKnownSources, rememberSources } from "../../src/db/known-sources.ts";
import { reopenImages } from "../../src/db/pause-batch.ts";
import { insertImages, listProductsToPlan, settleRepeats } from "../../src/db/plan-images.ts";
import { delayImages, recordRetries } from "../../src/db/delay-images.ts";
import { settleImages } from "../../src/db/settle-images.ts";
import { PRESETS } from "../../src/domain/image/recipe.ts";
import { createSourceKey } from "../../src/domain/image/source-key.ts";
import { createImageClaims, keepInJobs, type Claim } from "../../src/queue/image-jobs.ts";
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
  round: 2,
  isLate: false,
} as const;

const TRIED = {
  images: ordinals.map((ordinal) => ({ ordinal, round: 2, isLate: false })),
  process: "p",
  come: ordinals.map((n) => ({ host: `h${n}.test`, round: 2, count: 1 })),
};

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
      url: `https://h.test/${PLANNED / 2 - 1 - n}`,
      host: "h.test",
      urlRules: [],
      invalid: null,
    })),
  );

const TENANT = "00000000-0000-7000-8000-000000000000";
const batchOf = { tenantId: TENANT, recipe: PRESETS.seed, refresh: "auto", sourceHosts: null, sourceMark: null };
const urlOf = ({ ordinal }: { ordinal: number }) => `https://h.test/${ordinal / 2}`;
const keyOf = (image: { ordinal: number }) => createSourceKey(PRESETS.seed)(urlOf(image));
const sourced = keys.map((key) => ({ ...key, url: urlOf(key), attempts: 0, batch: batchOf }) as unknown as ClaimedImage);
const claims = createImageClaims({ fetch: assert.fail, touch: assert.fail, deleteJob: assert.fail });

const STATEMENTS: Record<string, Statement> = {
  "a page that is planned": { use: plan },
  "claimed images": { use: (tx) => findClaimedImages(tx, keys) },
  "images that are settled": { use: settle },
  "images that are tried again": { use: retry },
  "images that wait untried": {
    use: (tx) =>
      delayImages(
        tx,
        keys.map((key) => ({ ...key, delayMs: 1_000 })),
      ),
  },
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
  "jobs that are kept alive": {
    use: (tx) =>
      claims.touch(
        tx,
        ordinals.map((n) => ({ job: { id: jobId(n) } }) as Claim),
      ),
  },
  "products of the next page": { use: (tx) => listProductsToPlan(tx, BATCH, PLANNED - ASKED - 1, ASKED) },
  "outputs that are known": {
    given: (tx) => tx.executor.executeSql("update image set state = 'done', finished_at = now() where ordinal <= $1", [2 * ASKED]),
    use: (tx) => findKnownSources(tx, sourced),
  },
  "outputs that are remembered": {
    use: (tx) =>
      rememberSources(
        tx,
        keys.map((key) => ({ ...key, tenantId: TENANT, key: keyOf(key) })),
      ),
  },
  "shares of hosts": { use: (tx) => addToShares(tx, { batchId: BATCH, round: 2, tried: TRIED }) },
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
        checkLookedAt(plans);
      });
  });

/** A connection makes a plan that fits whatever is asked for, and keeps it until the table is analyzed. */
describe("by plans from when there was next to nothing, what is looked up by key", () => {
  let tx: Tx;
  const end = Promise.withResolvers<void>();
  before(async () => {
    const db = await openTestDatabase();
    await withoutAnalyze(db.executor);
    const begun = Promise.withResolvers<Tx>();
    void db.keyedTransaction((mine) => (begun.resolve(mine), end.promise)).catch(begun.reject);
    tx = await begun.promise;
    await tx.executor.executeSql("set local plan_cache_mode = force_generic_plan");
    await load(tx.executor, 2);
    for (const { given, use } of Object.values(STATEMENTS)) await undone(tx, async () => (await given?.(tx), await use(tx)));
    await load(tx.executor, PLANNED, 2);
  });
  after(() => end.resolve());

  for (const [name, { given, use }] of Object.entries(STATEMENTS))
    test(name, () =>
      undone(tx, async () => {
        const plans: Plan[] = [];
        await given?.(tx);
        await use(explaining(tx, plans, executed));
        checkLookedAt(plans);
      }),
    );
});

describe("whatever the statistics say", () => {
  let db: Database;
  before(async () => {
    db = await openTestDatabase();
    await fill(db, 0);
  });
  /** A keyed transaction takes indexes where there are any, and joins as PostgreSQL 15 does elsewhere by such statistics: one by one. */
  const mostOf = async ({ given, use }: Statement) => {
    const plans: Plan[] = [];
    await db
      .keyedTransaction(async (tx) => {
        await given?.(tx);
        const { client } = explaining(tx, plans);
        await use({ client, executor: { executeSql: (text, values = []) => client.query({ text, values }) } });
        throw new Undone();
      })
      .catch((error: unknown) => assert.ok(error instanceof Undone, String(error)));
    return Math.max(...plans.map(mostLookedAt));
  };

  test("open images are compared with live jobs by a hash", async () => {
    const most = await mostOf({
      // Few enough to end soon where each is compared with each.
      given: (tx) => tx.executor.executeSql("delete from pgboss.job where (data->'ordinals'->>0)::int >= 1000"),
      use: (tx) => reopenImages(tx, BATCH),
    });
    assert.ok(most >= PLANNED / 2 && most <= PLANNED, `Expected ${PLANNED} rows at most looked at in one place, got ${most}`);
  });

  test("credentials of unfinished batches are found without those that have ended, and without their endpoints", async () => {
    const most = await mostOf({
      given: async ({ executor }) => {
        await executor.executeSql(
          `insert into batch (batch_id, tenant_id, token, recipe, on_invalid, csv_bytes, csv_facts, products, images_total, status, finished_at)
           select gen_random_uuid(), $1, n, '{}', 'skip', 1, '{}', 1, 1, 'completed', now() from generate_series(1, 100) n`,
          [TENANT],
        );
        await executor.executeSql(
          `insert into endpoint (endpoint_id, tenant_id, batch_id, url, secret, sealed_authorization)
           select gen_random_uuid(), tenant_id, batch_id, 'https://r.test/', 's', 'sealed' from batch`,
        );
      },
      use: (tx) => listSealedBatches(tx.executor),
    });
    assert.equal(most, 1);
  });
});

async function fill({ executor }: Database, earlier: number): Promise<void> {
  const tables = await withoutAnalyze(executor);
  const run = (sql: string, ...values: unknown[]) => executor.executeSql(sql, values);
  await run(
    `insert into image (batch_id, ordinal, line, position, stem, url, host, state, finished_at)
     select $1, n, n, 1, 's' || n, 'https://earlier.test/' || n, 'earlier.test', 'done', now() from generate_series(0, $2::int - 1) n`,
    EARLIER,
    earlier,
  );
  await run("insert into host_share (batch_id, host, round) select batch_id, 'h' || ordinal || '.test', 1 from image");
  await sendJobs(executor, PLANNED, PLANNED + earlier);
  for (const table of tables) await run(`analyze ${table}`);
  await load(executor, PLANNED);
}

async function withoutAnalyze(executor: Executor): Promise<string[]> {
  const { rows } = await executor.executeSql("select 'pgboss.' || table_name as jobs from pgboss.queue where name = 'image'");
  const tables = [
    "batch",
    "image",
    "held_image",
    "host_share",
    "image_attempt",
    "output",
    "product",
    "known_source",
    String(rows[0]?.["jobs"]),
  ];
  for (const table of tables) await executor.executeSql(`alter table ${table} set (autovacuum_enabled = false)`);
  return tables;
}

function sendJobs(executor: Executor, from: number, to: number): Promise<unknown> {
  return executor.executeSql(
    `insert into pgboss.job (name, id, data) select 'image', lpad(($4::int - n)::text, 32, '0')::uuid, json_build_object('batchId', $1::text, 'ordinals', array[n, n + 1])
     from generate_series($2::int, $3::int - 1) n`,
    [BATCH, from, to, 9 * PLANNED],
  );
}

/** Every other image repeats the one before it, and each two are of a host that was paused and resumed. Of the batch's so many those from `from` on. */
async function load(executor: Executor, images: number, from = 0): Promise<void> {
  const run = (sql: string, ...values: unknown[]) => executor.executeSql(sql, values);
  await sendJobs(executor, from, images);
  await run(
    `insert into batch (batch_id, tenant_id, token, recipe, on_invalid, csv_bytes, csv_facts, products, images_total, images_due, is_planned)
     values ($1, '00000000-0000-7000-8000-000000000000', 't', '{}', 'skip', 1, '{}', 1, $2, $2, true)
     on conflict (batch_id) do update set images_total = $2, images_due = $2`,
    BATCH,
    images,
  );
  await run(
    `insert into image (batch_id, ordinal, line, position, stem, url, host, same_as)
     select $1, n, n, 1, 's' || n, 'https://h.test/' || n / 2, 'h' || n / 2 || '.test', case when n % 2 = 1 then n - 1 end
     from generate_series($3::int, $2::int - 1) n`,
    BATCH,
    images,
    from,
  );
  await run(
    `insert into product (batch_id, line, first_ordinal, serial, name, slug, urls, record)
     select $1, n, n, n, 'p', n, array['https://h.test/' || n], '' from generate_series($3::int, $2::int - 1) n`,
    BATCH,
    images,
    from,
  );
  await run(
    `insert into output (batch_id, ordinal, file_name, format, width, height, bytes)
     select $1, n, n || '.jpg', 'jpeg', 1, 1, 1 from generate_series($3::int, $2::int - 1) n`,
    BATCH,
    images,
    from,
  );
  const asked = keys.filter(({ ordinal }) => ordinal >= from && ordinal < images);
  await run(
    `insert into known_source (tenant_id, key, batch_id, ordinal)
     select $1, coalesce(asked.key, lpad(n::text, 32, '0')::uuid), $2, n from generate_series($4::int, $3::int - 1) n
     left join unnest($5::int[], $6::uuid[]) as asked(ordinal, key) on asked.ordinal = n`,
    TENANT,
    BATCH,
    images,
    from,
    asked.map(({ ordinal }) => ordinal),
    asked.map(keyOf),
  );
  const firsts = "image where same_as is null and state = 'planned' and ordinal >= $1";
  await run(`insert into held_image (batch_id, host, ordinal) select batch_id, host, ordinal from ${firsts}`, from);
  await run(`insert into host_share (batch_id, host, round, images_held) select batch_id, host, 1, 1 from ${firsts}`, from);
}

/** Leaves everything as it was for the next statement. */
class Undone extends Error {}

type Prepared = { name: string; text: string; values: unknown[] };

/** Runs each prepared statement with an ear to how it is done. */
function explaining(tx: Tx, plans: Plan[], toExplain = ({ text, values }: Prepared) => ({ text, values })): Tx {
  const query = async (prepared: Prepared) => {
    const { text, values } = toExplain(prepared);
    const { rows } = await tx.client.query(`explain (analyze, timing off, format json) ${text}`, values);
    plans.push(rows[0]["QUERY PLAN"][0].Plan);
    return { rows: [] };
  };
  return { ...tx, client: { query } as unknown as Tx["client"] };
}

/** By the plan that the connection has kept. */
function executed({ name, values }: Prepared) {
  const literal = (value: unknown) =>
    value === null ? "null" : escapeLiteral(Array.isArray(value) ? `{${value.map((one) => JSON.stringify(one)).join()}}` : String(value));
  return { text: `execute ${escapeIdentifier(name)} (${values.map(literal).join()})`, values: [] };
}

function checkLookedAt(plans: readonly Plan[]): void {
  const most = Math.max(...plans.map(mostLookedAt));
  assert.ok(most >= ASKED && most <= LOOKED_AT_MAX, `Expected ${ASKED} to ${LOOKED_AT_MAX} rows looked at in one place, got ${most}`);
}

/** Leaves everything as it was. */
async function undone(tx: Tx, work: () => Promise<unknown>): Promise<void> {
  await tx.executor.executeSql("savepoint before");
  try {
    await work();
  } finally {
    await tx.executor.executeSql("rollback to before");
  }
}

function mostLookedAt(plan: Plan): number {
  const rows = plan["Actual Rows"] + (plan["Rows Removed by Filter"] ?? 0) + (plan["Rows Removed by Join Filter"] ?? 0);
  return Math.max(rows * plan["Actual Loops"], ...(plan.Plans ?? []).map(mostLookedAt));
}
