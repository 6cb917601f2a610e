import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectDatabase } from "../src/db/connection/connect.ts";
import { migrateDatabase } from "../src/db/connection/migrate.ts";
import { startEmbeddedPostgres } from "../src/embedded/embedded-postgres.ts";
import { fillReports } from "./fill-reports.ts";
import { printMachine } from "./machine.ts";

/** What an analyst asks, of a month of batches: one batch, the last day, everything. Rows are fetched, not only counted. */
const IMAGES = Number(process.argv[3] ?? 1_200_000);
const ROUNDS = 3;

const LAST_DAY = "batch_created_at > now() - interval '1 day'";
const QUESTIONS: [string, string][] = [
  ["batches, all", "select * from report.batches"],
  ["products, one batch of 10,000 images", "select * from report.products where batch_id = $1"],
  ["products that failed, one batch of 200,000", "select * from report.products where batch_id = $2 and state = 'failed'"],
  ["images, one batch of 10,000", "select * from report.images where batch_id = $1"],
  ["images that failed, one batch of 200,000", "select * from report.images where batch_id = $2 and state = 'failed'"],
  ["images that failed, the last day's batches", `select * from report.images where ${LAST_DAY} and state = 'failed'`],
  ["images, how many in each state, all", "select state, count(*) from report.images group by state"],
  ["outputs, one batch of 10,000 images", "select * from report.outputs where batch_id = $1"],
  ["outputs that were kept, one batch of 200,000", "select * from report.outputs where batch_id = $2 and is_kept"],
  [
    "outputs by format and quality, the last day's",
    `select format, quality, sum(encode_seconds) from report.outputs where ${LAST_DAY} group by 1, 2`,
  ],
  ["outputs by format and quality, all", "select format, quality, sum(encode_seconds) from report.outputs group by 1, 2"],
  ["image_attempts, one batch of 10,000", "select * from report.image_attempts where batch_id = $1"],
  ["failures_by_code, the last day's batches", `select code, sum(images) from report.failures_by_code where ${LAST_DAY} group by code`],
  ["failures_by_code, all", "select code, sum(images) from report.failures_by_code group by code"],
  [
    "failures_by_host, the last day's batches",
    `select host, sum(images_failed) from report.failures_by_host where ${LAST_DAY} group by host`,
  ],
  ["failures_by_host, all", "select host, sum(images_failed) from report.failures_by_host group by host"],
  ["throughput_hourly, the last day", "select * from report.throughput_hourly where hour > now() - interval '1 day'"],
  ["throughput_hourly, all", "select * from report.throughput_hourly"],
  ["stage_seconds, one batch of 10,000", "select * from report.stage_seconds where batch_id = $1"],
  ["stage_seconds, one batch of 200,000", "select * from report.stage_seconds where batch_id = $2"],
  ["stage_seconds, all", "select * from report.stage_seconds"],
  ["savings, one batch of 10,000", "select * from report.savings where batch_id = $1"],
  ["savings, sums of all", "select sum(made_source_bytes), sum(made_output_bytes) from report.savings"],
  ["backlog", "select * from report.backlog"],
];

printMachine();
const dataDir = await mkdtemp(join(tmpdir(), "pressrun-reports-"));
const postgres = await startEmbeddedPostgres({ dataDir, port: 0, log: () => {} });
await migrateDatabase(postgres.url);
const db = connectDatabase({ url: postgres.url, poolMax: 1, onError: () => {} });
await fillReports(db, IMAGES);
const { rows } = await db.executor.executeSql("select batch_id from batch order by images_total desc, created_at desc limit 2");
const [large, small] = rows.map((row) => row["batch_id"]);
console.log(`${IMAGES.toLocaleString("en")} images`);
for (const [question, sql] of QUESTIONS) {
  const values = sql.includes("$2") ? [large] : sql.includes("$1") ? [small] : [];
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const startedAt = performance.now();
    await db.pool.query(sql.replace("$2", "$1"), values);
    times.push(performance.now() - startedAt);
  }
  const median = times.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0;
  console.log(`${question.padEnd(46)} ${median.toFixed(0).padStart(6)} ms`);
}
await db.close();
await postgres.stop();
await rm(dataDir, { recursive: true, force: true });
process.exit();
