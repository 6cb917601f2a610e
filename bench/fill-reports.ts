import type { Database } from "../src/db/connection/connect.ts";

/** The pool's own deadline of a statement is for a service. */
const STATEMENT_MS = 600_000;

/**
 * A month of batches as the service leaves them, by SQL alone: one of 200,000 images, the others of 10,000, four images to
 * a product. Of a hundred images five are repeats, three failed, ten reused. The newest batch ends a minute ago.
 */
export async function fillReports(db: Pick<Database, "transaction" | "pool">, images: number): Promise<void> {
  const batches = 1 + Math.ceil((images - LARGE) / SMALL);
  await db.transaction(async ({ client }) => {
    for (const text of STATEMENTS) {
      const statement = { text, values: text.includes("$1") ? [batches] : [], query_timeout: STATEMENT_MS };
      await client.query(statement);
    }
  });
  const vacuum = { text: "vacuum analyze", query_timeout: STATEMENT_MS };
  await db.pool.query(vacuum);
}

const LARGE = 200_000;
const SMALL = 10_000;

const STATEMENTS = [
  `insert into batch (batch_id, tenant_id, token, status, outcome, recipe, on_invalid, csv_file_name, csv_bytes, csv_facts, products, images_total, is_planned, has_repeats, created_at, started_at, finished_at)
   select (regexp_replace(lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0'), '^(.{8})', '\\1-') || '-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '00000000-0000-7000-8000-000000000000', 'bench-' || n, 'completed', 'some',
     '{"format":"jpeg","quality":80}', 'skip', 'products.csv', 1000000, '{"dialect":"shopify"}', size / 4, size, true, true, at, at, at + interval '20 minutes'
   from (select n, case n when 1 then ${LARGE} else ${SMALL} end as size, now() - interval '21 minutes' - ($1 - n) * interval '30 days' / $1 as at from generate_series(1, $1::int) n) given`,
  `insert into product (batch_id, line, first_ordinal, serial, name, slug, urls, record)
   select batch_id, n + 1, 4 * (n - 1), 'SKU-' || n, 'Product ' || n, 'SKU-' || n, array_fill('https://img.example/a.jpg'::text, array[4]), ''
   from batch, generate_series(1, products) n`,
  `insert into image (batch_id, ordinal, line, position, stem, url, host, state, same_as, is_reused, attempts, code, detail, queued_at, started_at, finished_at,
     wait_ms, fetch_ms, encode_ms, store_ms, final_url, http_status, source_type, source_bytes, source_width, source_height, sha256)
   select batch_id, n, n / 4 + 2, n % 4 + 1, 'SKU-' || n / 4 + 1 || '-' || n % 4 + 1, 'https://cdn' || n % 7 || '.example/catalogue/photo-' || n || '.jpg?signature=abc' || n, 'cdn' || n % 7 || '.example',
     case when n % 100 in (97, 98, 99) then 'failed' else 'done' end, case when n % 20 = 19 then n - 1 end, n % 10 = 3, case when n % 20 = 19 then 0 else 1 end,
     case n % 100 when 97 then 'not_found' when 98 then 'timed_out' when 99 then 'timed_out' end, case when n % 100 in (97, 98, 99) then 'It failed.' end,
     created_at, created_at + n * interval '1200 s' / images_total, created_at + n * interval '1200 s' / images_total + interval '1 s',
     case when n % 20 <> 19 then n % 1000 end, case when n % 20 <> 19 then 50 + n % 97 end, case when n % 20 <> 19 and n % 10 <> 3 and n % 100 < 97 then 80 + n % 131 end, case when n % 20 <> 19 and n % 10 <> 3 and n % 100 < 97 then n % 7 end,
     case when n % 20 <> 19 then 'https://cdn' || n % 7 || '.example/catalogue/photo-' || n || '.jpg' end, case when n % 20 <> 19 then 200 end, case when n % 20 <> 19 then 'image/jpeg' end,
     case when n % 20 <> 19 then 300000 + n % 1000 end, 1600, 1200, md5(n::text) || md5(n::text)
   from batch, generate_series(0, images_total - 1) n order by created_at, n`,
  `insert into output (batch_id, ordinal, file_name, format, width, height, bytes, quality, encode_ms)
   select batch_id, ordinal, stem || '.jpg', 'jpeg', 1600, 1200, source_bytes / 4, 80, encode_ms from image where state = 'done' and same_as is null`,
  `update batch b set images_done = c.done, images_failed = c.failed, images_reused = c.reused, input_bytes = c.source_bytes, output_bytes = c.output_bytes
   from (select batch_id, count(*) filter (where state = 'done') as done, count(*) filter (where state = 'failed') as failed, count(*) filter (where is_reused and state = 'done') as reused,
     sum(source_bytes) filter (where state = 'done') as source_bytes, sum(source_bytes / 4) filter (where state = 'done') as output_bytes from image group by batch_id) c where c.batch_id = b.batch_id`,
];
