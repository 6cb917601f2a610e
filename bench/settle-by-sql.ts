import type { Database } from "../src/db/connection/connect.ts";

/** The pool's own deadline of a statement is for a service. */
const STATEMENT_MS = 600_000;

/**
 * Makes a batch look as if all its images had been worked, every second of them in vain: really downloading two million
 * takes a day. Rows only: there are no output files behind them. What remains is to finish the batch.
 */
export async function settleBySql(db: Pick<Database, "transaction">, batchId: string): Promise<void> {
  await db.transaction(async ({ client }) => {
    for (const text of STATEMENTS) {
      const statement = { text, values: text.includes("$1") ? [batchId] : [], query_timeout: STATEMENT_MS };
      await client.query(statement);
    }
  });
}

const STATEMENTS = [
  // Whoever plans more of it waits, and finds it planned.
  "select 1 from batch where batch_id = $1 for update",
  "delete from pgboss.job where name in ('image', 'plan')",
  "delete from output where batch_id = $1",
  "delete from image where batch_id = $1",
  `insert into image (batch_id, ordinal, line, position, stem, url, host, state, code, detail, started_at, finished_at)
   select batch_id, first_ordinal + at - 1, line, at, slug || '-' || first_number + at - 1, url, 'img.example',
     case when at % 2 = 1 then 'done' else 'failed' end,
     case when at % 2 = 0 then 'not_found' end, case when at % 2 = 0 then 'The host answered 404 Not Found.' end, now(), now()
   from product, unnest(urls) with ordinality as u(url, at) where batch_id = $1 order by line, at`,
  `insert into output (batch_id, ordinal, file_name, format, width, height, bytes)
   select batch_id, ordinal, stem || '.jpg', 'jpeg', 320, 240, 9000 from image where batch_id = $1 and state = 'done'`,
  `update batch set status = 'processing', started_at = now(), is_planned = true, images_queued = 0,
     planned_line = (select max(line) from product where batch_id = $1),
     images_done = (select count(*) from output where batch_id = $1), images_failed = images_total - (select count(*) from output where batch_id = $1)
   where batch_id = $1`,
];
