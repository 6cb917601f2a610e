CREATE INDEX "image_by_hour" ON "image" USING brin (date_bin('1 hour', finished_at, '2000-01-01 00:00:00+00')) WITH (autosummarize=true);--> statement-breakpoint
-- Views for people who ask in SQL. Within version 1 no column is renamed, removed, or changed in type or meaning: docs/adr/0007.
CREATE SCHEMA IF NOT EXISTS "report";--> statement-breakpoint
COMMENT ON SCHEMA "report" IS 'Pressrun''s reports, version 1: read docs/reporting.md.';--> statement-breakpoint
CREATE OR REPLACE VIEW "report"."version" AS
select 1 as version;--> statement-breakpoint
COMMENT ON VIEW "report"."version" IS 'The version of these views. Within a version no column is renamed or removed, and none changes its type or meaning; columns and views may be added.';--> statement-breakpoint
COMMENT ON COLUMN "report"."version"."version" IS 'Version 1 lies in the schema report; a version 2 would lie beside it.';--> statement-breakpoint
CREATE OR REPLACE VIEW "report"."batches" AS
select b.batch_id, b.tenant_id, b.status, b.outcome, b.run, b.csv_file_name as file_name, b.csv_facts->>'dialect' as dialect, b.metadata, b.recipe,
  greatest(1, coalesce(jsonb_array_length(b.recipe->'outputs'), 1)) as outputs_per_image, b.refresh,
  b.source_headers is not null as has_source_headers, b.csv_bytes as upload_bytes, b.products, b.images_total as images,
  b.images_done, b.images_failed, b.images_skipped, b.images_total - b.images_done - b.images_failed - b.images_skipped as images_open, b.images_reused,
  case when b.has_repeats then (select count(*) from image i where i.batch_id = b.batch_id and i.same_as is not null) else 0 end::integer as images_repeated,
  case when b.images_total = 0 then 100 else floor(100.0 * (b.images_done + b.images_failed + b.images_skipped) / b.images_total) end::integer as settled_percent,
  round(100.0 * b.images_failed / nullif(b.images_done + b.images_failed, 0), 2) as failed_percent,
  b.input_bytes as source_bytes, b.output_bytes,
  b.pause_at_failure_percent::integer as pause_at_failure_percent, b.paused_at is not null as is_paused, b.paused_at, b.pause_reason,
  b.created_at, b.started_at, b.finished_at,
  round(extract(epoch from b.started_at - b.created_at), 3) as wait_seconds,
  round(extract(epoch from b.finished_at - b.created_at), 3) as duration_seconds
from batch b;--> statement-breakpoint
COMMENT ON VIEW "report"."batches" IS 'One row for each batch, from its own counters: the numbers that GET /v1/batches/{batchId} shows.';--> statement-breakpoint
COMMENT ON COLUMN "report"."batches"."batch_id" IS 'The batch; batchId in the API, requestId on the seed''s routes.';
COMMENT ON COLUMN "report"."batches"."tenant_id" IS 'Whose batch it is; there is one tenant today.';
COMMENT ON COLUMN "report"."batches"."status" IS 'pending, processing, completed (all settled, at least one image done), failed (none done) or cancelled. A paused batch keeps its status.';
COMMENT ON COLUMN "report"."batches"."outcome" IS 'all, some or none of its images are done, once all are settled; null before.';
COMMENT ON COLUMN "report"."batches"."run" IS '1, and one more for each time that failed images were tried again.';
COMMENT ON COLUMN "report"."batches"."file_name" IS 'What the uploaded file was called; null where it had no name.';
COMMENT ON COLUMN "report"."batches"."dialect" IS 'The shop system whose export the file was taken for; null for a file of nobody''s.';
COMMENT ON COLUMN "report"."batches"."metadata" IS 'The uploader''s own words about the batch, as they came.';
COMMENT ON COLUMN "report"."batches"."recipe" IS 'What is done to every image.';
COMMENT ON COLUMN "report"."batches"."outputs_per_image" IS 'How many files are made of each image.';
COMMENT ON COLUMN "report"."batches"."refresh" IS 'auto: unchanged images of earlier batches are linked; always: all is made anew.';
COMMENT ON COLUMN "report"."batches"."has_source_headers" IS 'Whether the batch brought request headers for protected origins. The headers are shown nowhere.';
COMMENT ON COLUMN "report"."batches"."upload_bytes" IS 'Size of the uploaded file.';
COMMENT ON COLUMN "report"."batches"."products" IS 'Rows of the file, those without an image included.';
COMMENT ON COLUMN "report"."batches"."images" IS 'Images of all products, repeats included, planned or not.';
COMMENT ON COLUMN "report"."batches"."images_done" IS 'Images with an output; a repeat counts with its first image''s.';
COMMENT ON COLUMN "report"."batches"."images_failed" IS 'Images without one, for a reason that report.images tells; a repeat counts as its first image.';
COMMENT ON COLUMN "report"."batches"."images_skipped" IS 'Images that were never tried, because the batch was cancelled.';
COMMENT ON COLUMN "report"."batches"."images_open" IS 'Images that are not settled yet: images less those done, failed and skipped.';
COMMENT ON COLUMN "report"."batches"."images_reused" IS 'Of those done: linked to what an earlier batch had made, since nothing had changed. Repeats of them are not counted.';
COMMENT ON COLUMN "report"."batches"."images_repeated" IS 'Images planned so far whose URL the batch had before; each is fetched once and shares the first one''s outputs and fate.';
COMMENT ON COLUMN "report"."batches"."settled_percent" IS 'Settled images in whole per cent, rounded down: 100 only when all are.';
COMMENT ON COLUMN "report"."batches"."failed_percent" IS 'Failed images of those done or failed, in per cent; null while there is none.';
COMMENT ON COLUMN "report"."batches"."source_bytes" IS 'Bytes of the originals of images done, each distinct URL of the batch once.';
COMMENT ON COLUMN "report"."batches"."output_bytes" IS 'Bytes of all outputs, those of repeats once.';
COMMENT ON COLUMN "report"."batches"."pause_at_failure_percent" IS 'The batch is paused once more than this of what was tried has failed; null: never.';
COMMENT ON COLUMN "report"."batches"."is_paused" IS 'Whether nothing new of it is tried until it is resumed.';
COMMENT ON COLUMN "report"."batches"."paused_at" IS 'Since when; null while it is not paused.';
COMMENT ON COLUMN "report"."batches"."pause_reason" IS 'Why, for people; null while it is not paused.';
COMMENT ON COLUMN "report"."batches"."created_at" IS 'When it was uploaded.';
COMMENT ON COLUMN "report"."batches"."started_at" IS 'When its first image was taken up; null before.';
COMMENT ON COLUMN "report"."batches"."finished_at" IS 'When its last image was settled; null before.';
COMMENT ON COLUMN "report"."batches"."wait_seconds" IS 'From the upload until the first image was taken up.';
COMMENT ON COLUMN "report"."batches"."duration_seconds" IS 'From the upload until the end; null before. Pauses count.';--> statement-breakpoint
CREATE OR REPLACE VIEW "report"."products" AS
select p.batch_id, b.tenant_id, b.created_at as batch_created_at, p.line, p.serial as product_id, p.name as product_name,
  case when cardinality(p.urls) = 0 then 'no_image'
    when n.done + n.failed + n.skipped < cardinality(p.urls) then 'pending'
    when n.done = cardinality(p.urls) then 'completed'
    when n.done = 0 then 'failed'
    else 'partial' end as state,
  cardinality(p.urls) as images, n.done as images_done, n.failed as images_failed, n.skipped as images_skipped, n.repeated as images_repeated, n.codes as failure_codes
from product p
left join batch b on b.batch_id = p.batch_id
cross join lateral (
  select (count(*) filter (where i.state = 'done'))::integer as done, (count(*) filter (where i.state = 'failed'))::integer as failed,
    (count(*) filter (where i.state = 'cancelled'))::integer as skipped, count(i.same_as)::integer as repeated,
    string_agg(distinct i.code, ', ' order by i.code) filter (where i.state = 'failed') as codes
  from image i where i.batch_id = p.batch_id and i.ordinal >= p.first_ordinal and i.ordinal < p.first_ordinal + cardinality(p.urls)
) n;--> statement-breakpoint
COMMENT ON VIEW "report"."products" IS 'One row for each product: a data row of the file.';--> statement-breakpoint
COMMENT ON COLUMN "report"."products"."batch_id" IS 'The batch.';
COMMENT ON COLUMN "report"."products"."tenant_id" IS 'Whose batch it is; there is one tenant today.';
COMMENT ON COLUMN "report"."products"."batch_created_at" IS 'When the batch was uploaded.';
COMMENT ON COLUMN "report"."products"."line" IS 'Its line in the file, or its number where products came as JSON; the key within the batch.';
COMMENT ON COLUMN "report"."products"."product_id" IS 'The product''s own id (the seed''s serial number), or the line where it has none.';
COMMENT ON COLUMN "report"."products"."product_name" IS 'Its name.';
COMMENT ON COLUMN "report"."products"."state" IS 'pending until all its images are settled, then completed (all done), partial, failed (none done), or no_image where the row has none.';
COMMENT ON COLUMN "report"."products"."images" IS 'Images of the product, repeats included.';
COMMENT ON COLUMN "report"."products"."images_done" IS 'Of them done.';
COMMENT ON COLUMN "report"."products"."images_failed" IS 'Of them failed.';
COMMENT ON COLUMN "report"."products"."images_skipped" IS 'Of them never tried, because the batch was cancelled.';
COMMENT ON COLUMN "report"."products"."images_repeated" IS 'Of them planned, with a URL that the batch had before, in this product or another.';
COMMENT ON COLUMN "report"."products"."failure_codes" IS 'The codes of its failed images, each once, with commas between; null where none failed.';--> statement-breakpoint
CREATE OR REPLACE VIEW "report"."images" AS
select i.batch_id, b.tenant_id, b.created_at as batch_created_at, i.ordinal, i.line, i.position, p.serial as product_id, p.name as product_name,
  case when i.code = 'url_invalid' then regexp_replace(regexp_replace(i.url, '[?#].*$', ''), '^.*@', '...@') else split_part(i.url, '?', 1) end as url,
  i.host, array_to_string(i.url_rules, ', ') as url_rules, i.state, i.code,
  case when i.code = 'url_invalid' and i.url like '%@%' then regexp_replace(i.detail, '".*"', '"..."') else i.detail end as detail,
  i.same_as is not null as is_repeat, i.same_as as repeat_of_ordinal, i.is_reused, i.attempts::integer as attempts,
  split_part(i.final_url, '?', 1) as final_url, i.http_status::integer as http_status, i.source_type, i.source_bytes,
  i.source_width as source_width_pixels, i.source_height as source_height_pixels, i.sha256 as source_sha256,
  (select count(*) from output o where o.batch_id = i.batch_id and o.ordinal = i.ordinal)::integer as outputs,
  (select sum(o.bytes) from output o where o.batch_id = i.batch_id and o.ordinal = i.ordinal)::bigint as output_bytes,
  i.queued_at, case when i.state = 'planned' then i.not_before end as next_attempt_at, i.started_at, i.finished_at,
  i.wait_ms * 0.001 as wait_seconds, i.fetch_ms * 0.001 as fetch_seconds, i.encode_ms * 0.001 as encode_seconds, i.store_ms * 0.001 as store_seconds
from image i
left join batch b on b.batch_id = i.batch_id
left join product p on p.batch_id = i.batch_id and p.line = i.line;--> statement-breakpoint
COMMENT ON VIEW "report"."images" IS 'One row for each image that is planned: one URL at one position of one product. Images of a batch that are not planned yet are counted in report.backlog.';--> statement-breakpoint
COMMENT ON COLUMN "report"."images"."batch_id" IS 'The batch.';
COMMENT ON COLUMN "report"."images"."tenant_id" IS 'Whose batch it is; there is one tenant today.';
COMMENT ON COLUMN "report"."images"."batch_created_at" IS 'When the batch was uploaded.';
COMMENT ON COLUMN "report"."images"."ordinal" IS 'Counts the batch''s images from 0 in the order of the file; the key within the batch.';
COMMENT ON COLUMN "report"."images"."line" IS 'The product''s line in the file.';
COMMENT ON COLUMN "report"."images"."position" IS 'Its place in the product''s list, from 1.';
COMMENT ON COLUMN "report"."images"."product_id" IS 'The product''s own id.';
COMMENT ON COLUMN "report"."images"."product_name" IS 'The product''s name.';
COMMENT ON COLUMN "report"."images"."url" IS 'What is fetched, without its query, which may hold a signature or a key; of what is no URL also without all that stands before an @.';
COMMENT ON COLUMN "report"."images"."host" IS 'Whose server is asked, with its port where it is not the usual one; empty where the URL is none.';
COMMENT ON COLUMN "report"."images"."url_rules" IS 'What was done to the URL as it came, with commas between; null where nothing had to be done.';
COMMENT ON COLUMN "report"."images"."state" IS 'planned (not settled yet), done, failed, or cancelled. A repeat has its first image''s.';
COMMENT ON COLUMN "report"."images"."code" IS 'Why it failed, or why its last attempt did while it waits for another; one of the codes of the API.';
COMMENT ON COLUMN "report"."images"."detail" IS 'What happened, for people.';
COMMENT ON COLUMN "report"."images"."is_repeat" IS 'Whether the batch had this URL before. A repeat is not fetched, and has no attempts, bytes or outputs of its own, so that sums count nothing twice.';
COMMENT ON COLUMN "report"."images"."repeat_of_ordinal" IS 'The first image with this URL; null where it is that itself.';
COMMENT ON COLUMN "report"."images"."is_reused" IS 'Whether its outputs are linked to those of an earlier batch, since nothing had changed. Its bytes are those of the linked files.';
COMMENT ON COLUMN "report"."images"."attempts" IS 'How often it was tried; 0 for a repeat and for what is no URL.';
COMMENT ON COLUMN "report"."images"."final_url" IS 'Where redirects ended, without the query; null where nothing was fetched.';
COMMENT ON COLUMN "report"."images"."http_status" IS 'The answer''s HTTP status; of a reused image that of the first time. Null where nothing was fetched.';
COMMENT ON COLUMN "report"."images"."source_type" IS 'Media type by its bytes, or as the server called it where they could not be read.';
COMMENT ON COLUMN "report"."images"."source_bytes" IS 'Size of the original; null for a repeat and where nothing was fetched.';
COMMENT ON COLUMN "report"."images"."source_width_pixels" IS 'Its width.';
COMMENT ON COLUMN "report"."images"."source_height_pixels" IS 'Its height.';
COMMENT ON COLUMN "report"."images"."source_sha256" IS 'SHA-256 of the original, in hex: the same picture under two URLs has the same.';
COMMENT ON COLUMN "report"."images"."outputs" IS 'How many files were made of it; 0 for a repeat.';
COMMENT ON COLUMN "report"."images"."output_bytes" IS 'Their size together; null where there is none.';
COMMENT ON COLUMN "report"."images"."queued_at" IS 'When it was planned, or its batch was last resumed.';
COMMENT ON COLUMN "report"."images"."next_attempt_at" IS 'Not tried again before; null where nothing is waited for.';
COMMENT ON COLUMN "report"."images"."started_at" IS 'When its last attempt began; null where that has not ended.';
COMMENT ON COLUMN "report"."images"."finished_at" IS 'When it was settled; null before.';
COMMENT ON COLUMN "report"."images"."wait_seconds" IS 'How long it was due before its last attempt began.';
COMMENT ON COLUMN "report"."images"."fetch_seconds" IS 'Of its last attempt: asking the origin and downloading. Null where it did not come so far.';
COMMENT ON COLUMN "report"."images"."encode_seconds" IS 'Of its last attempt: decoding and making all outputs. Null where it did not come so far.';
COMMENT ON COLUMN "report"."images"."store_seconds" IS 'Of its last attempt: writing files to where they stay. Null where it did not come so far.';--> statement-breakpoint
CREATE OR REPLACE VIEW "report"."image_attempts" AS
select a.batch_id, b.tenant_id, b.created_at as batch_created_at, a.ordinal, a.attempt::integer as attempt, i.host, 'retry' as outcome, a.code, a.detail,
  a.started_at, a.finished_at, round(extract(epoch from a.finished_at - a.started_at), 3) as duration_seconds
from image_attempt a
left join batch b on b.batch_id = a.batch_id
left join image i on i.batch_id = a.batch_id and i.ordinal = a.ordinal
union all
select i.batch_id, b.tenant_id, b.created_at, i.ordinal, i.attempts::integer, i.host, case i.state when 'done' then 'done' else 'give_up' end, i.code, i.detail,
  i.started_at, i.finished_at, round(extract(epoch from i.finished_at - i.started_at), 3)
from image i
left join batch b on b.batch_id = i.batch_id
where i.state in ('done', 'failed') and i.attempts > 0;--> statement-breakpoint
COMMENT ON VIEW "report"."image_attempts" IS 'One row for each attempt at an image that has ended. Repeats and what is no URL have none.';--> statement-breakpoint
COMMENT ON COLUMN "report"."image_attempts"."batch_id" IS 'The batch.';
COMMENT ON COLUMN "report"."image_attempts"."tenant_id" IS 'Whose batch it is; there is one tenant today.';
COMMENT ON COLUMN "report"."image_attempts"."batch_created_at" IS 'When the batch was uploaded.';
COMMENT ON COLUMN "report"."image_attempts"."ordinal" IS 'The image within the batch.';
COMMENT ON COLUMN "report"."image_attempts"."attempt" IS '1 for the first.';
COMMENT ON COLUMN "report"."image_attempts"."host" IS 'Whose server was asked.';
COMMENT ON COLUMN "report"."image_attempts"."outcome" IS 'done; retry (failed, and tried again); give_up (failed for good).';
COMMENT ON COLUMN "report"."image_attempts"."code" IS 'Why it failed; null where it did not.';
COMMENT ON COLUMN "report"."image_attempts"."detail" IS 'What happened, for people.';
COMMENT ON COLUMN "report"."image_attempts"."started_at" IS 'When it began.';
COMMENT ON COLUMN "report"."image_attempts"."finished_at" IS 'When it ended and was recorded.';
COMMENT ON COLUMN "report"."image_attempts"."duration_seconds" IS 'How long it took, with what it waited for: its turn at the host, an encoder, being recorded.';--> statement-breakpoint
CREATE OR REPLACE VIEW "report"."failures_by_code" AS
select i.batch_id, b.tenant_id, b.created_at as batch_created_at, i.code,
  case when i.code = 'url_invalid' then 'intake'
    when i.code in ('address_blocked', 'dns_failed', 'connect_failed', 'tls_failed', 'timed_out', 'not_found', 'unauthorized', 'forbidden', 'rate_limited', 'server_error', 'http_error', 'too_many_redirects', 'too_large', 'truncated') then 'fetch'
    when i.code in ('html_page', 'not_an_image', 'unsupported_format', 'too_many_pixels') then 'inspect'
    when i.code in ('corrupt_image', 'encode_timed_out', 'encoder_crashed') then 'encode'
    when i.code = 'storage_failed' then 'store' end as stage,
  i.code in ('dns_failed', 'connect_failed', 'timed_out', 'rate_limited', 'server_error', 'truncated', 'storage_failed') as is_retryable,
  count(*)::integer as images, (count(*) filter (where i.same_as is null))::integer as distinct_images,
  count(distinct i.host)::integer as hosts, sum(i.attempts)::integer as attempts,
  min(i.finished_at) as first_failed_at, max(i.finished_at) as last_failed_at
from image i
join batch b on b.batch_id = i.batch_id
where i.state = 'failed'
group by i.batch_id, b.tenant_id, b.created_at, i.code;--> statement-breakpoint
COMMENT ON VIEW "report"."failures_by_code" IS 'One row for each batch and code with images that failed for good.';--> statement-breakpoint
COMMENT ON COLUMN "report"."failures_by_code"."batch_id" IS 'The batch.';
COMMENT ON COLUMN "report"."failures_by_code"."tenant_id" IS 'Whose batch it is; there is one tenant today.';
COMMENT ON COLUMN "report"."failures_by_code"."batch_created_at" IS 'When the batch was uploaded.';
COMMENT ON COLUMN "report"."failures_by_code"."code" IS 'Why they failed.';
COMMENT ON COLUMN "report"."failures_by_code"."stage" IS 'Where: intake, fetch, inspect, encode or store.';
COMMENT ON COLUMN "report"."failures_by_code"."is_retryable" IS 'Whether trying again later can help.';
COMMENT ON COLUMN "report"."failures_by_code"."images" IS 'Failed images with this code, repeats included: the images without a picture.';
COMMENT ON COLUMN "report"."failures_by_code"."distinct_images" IS 'The same without repeats: the URLs to mend.';
COMMENT ON COLUMN "report"."failures_by_code"."hosts" IS 'How many hosts they came from.';
COMMENT ON COLUMN "report"."failures_by_code"."attempts" IS 'How often they were tried, together.';
COMMENT ON COLUMN "report"."failures_by_code"."first_failed_at" IS 'When the first was settled.';
COMMENT ON COLUMN "report"."failures_by_code"."last_failed_at" IS 'When the last was settled.';--> statement-breakpoint
CREATE OR REPLACE VIEW "report"."failures_by_host" AS
select b.batch_id, b.tenant_id, b.created_at as batch_created_at, g.host,
  sum(g.images)::integer as images, coalesce(sum(g.images) filter (where g.state = 'done'), 0)::integer as images_done,
  coalesce(sum(g.images) filter (where g.state = 'failed'), 0)::integer as images_failed, coalesce(sum(g.firsts) filter (where g.state = 'failed'), 0)::integer as distinct_images_failed,
  round(100.0 * coalesce(sum(g.images) filter (where g.state = 'failed'), 0) / nullif(sum(g.images) filter (where g.state in ('done', 'failed')), 0), 2) as failed_percent,
  (array_agg(g.code order by g.images desc, g.code) filter (where g.state = 'failed'))[1] as commonest_code,
  max(g.finished_at) filter (where g.state = 'failed') as last_failed_at
from batch b
cross join lateral (
  select i.host, i.state, i.code, count(*) as images, count(*) filter (where i.same_as is null) as firsts, max(i.finished_at) as finished_at
  from image i where i.batch_id = b.batch_id group by i.host, i.state, i.code
) g
group by b.batch_id, b.tenant_id, b.created_at, g.host;--> statement-breakpoint
COMMENT ON VIEW "report"."failures_by_host" IS 'One row for each batch and host, those without a failure included, so that rates of several batches can be made of the counts. What is no URL stands under the empty host.';--> statement-breakpoint
COMMENT ON COLUMN "report"."failures_by_host"."batch_id" IS 'The batch.';
COMMENT ON COLUMN "report"."failures_by_host"."tenant_id" IS 'Whose batch it is; there is one tenant today.';
COMMENT ON COLUMN "report"."failures_by_host"."batch_created_at" IS 'When the batch was uploaded.';
COMMENT ON COLUMN "report"."failures_by_host"."host" IS 'The host, with its port where it is not the usual one.';
COMMENT ON COLUMN "report"."failures_by_host"."images" IS 'Images planned from it, repeats included.';
COMMENT ON COLUMN "report"."failures_by_host"."images_done" IS 'Of them done.';
COMMENT ON COLUMN "report"."failures_by_host"."images_failed" IS 'Of them failed for good.';
COMMENT ON COLUMN "report"."failures_by_host"."distinct_images_failed" IS 'The same without repeats: the URLs to mend.';
COMMENT ON COLUMN "report"."failures_by_host"."failed_percent" IS 'Failed of those done or failed, in per cent; null while there is none.';
COMMENT ON COLUMN "report"."failures_by_host"."commonest_code" IS 'The code that most of those failed have; null where none failed.';
COMMENT ON COLUMN "report"."failures_by_host"."last_failed_at" IS 'When the last was settled; null where none failed.';--> statement-breakpoint
CREATE OR REPLACE VIEW "report"."throughput_hourly" AS
select s.tenant_id, s.hour, sum(s.batches)::integer as batches,
  sum(s.images_settled)::integer as images_settled, sum(s.images_done)::integer as images_done, sum(s.images_failed)::integer as images_failed,
  sum(s.images_repeated)::integer as images_repeated, sum(s.images_reused)::integer as images_reused,
  sum(s.source_bytes)::bigint as source_bytes, sum(s.output_bytes)::bigint as output_bytes
from (
  select b.tenant_id, g.hour, 1 as batches, g.images_settled, g.images_done, g.images_failed, g.images_repeated, g.images_reused, g.source_bytes, 0 as output_bytes
  from (
    select i.batch_id, date_bin('1 hour', i.finished_at, '2000-01-01 00:00:00+00') as hour, count(*) as images_settled, count(*) filter (where i.state = 'done') as images_done, count(*) filter (where i.state = 'failed') as images_failed,
      count(i.same_as) as images_repeated, count(*) filter (where i.is_reused) as images_reused, coalesce(sum(i.source_bytes) filter (where i.state = 'done'), 0) as source_bytes
    from image i where i.state in ('done', 'failed') group by i.batch_id, date_bin('1 hour', i.finished_at, '2000-01-01 00:00:00+00')
  ) g
  join batch b on b.batch_id = g.batch_id
  union all
  select b.tenant_id, g.hour, 0, 0, 0, 0, 0, 0, 0, g.output_bytes
  from (
    select i.batch_id, date_bin('1 hour', i.finished_at, '2000-01-01 00:00:00+00') as hour, sum(o.bytes) as output_bytes
    from image i join output o on o.batch_id = i.batch_id and o.ordinal = i.ordinal
    where i.state = 'done' group by i.batch_id, date_bin('1 hour', i.finished_at, '2000-01-01 00:00:00+00')
  ) g
  join batch b on b.batch_id = g.batch_id
) s
group by s.tenant_id, s.hour;--> statement-breakpoint
COMMENT ON VIEW "report"."throughput_hourly" IS 'One row for each tenant and hour in which images were settled.';--> statement-breakpoint
COMMENT ON COLUMN "report"."throughput_hourly"."tenant_id" IS 'Whose batch it is; there is one tenant today.';
COMMENT ON COLUMN "report"."throughput_hourly"."hour" IS 'When the hour begins; hours of UTC.';
COMMENT ON COLUMN "report"."throughput_hourly"."batches" IS 'Batches with an image settled in it.';
COMMENT ON COLUMN "report"."throughput_hourly"."images_settled" IS 'Images settled in it: those done and failed, repeats included.';
COMMENT ON COLUMN "report"."throughput_hourly"."images_done" IS 'Of them done.';
COMMENT ON COLUMN "report"."throughput_hourly"."images_failed" IS 'Of them failed for good.';
COMMENT ON COLUMN "report"."throughput_hourly"."images_repeated" IS 'Of those settled: repeats, which cost no fetching.';
COMMENT ON COLUMN "report"."throughput_hourly"."images_reused" IS 'Of those done: linked to what an earlier batch had made.';
COMMENT ON COLUMN "report"."throughput_hourly"."source_bytes" IS 'Bytes of the originals of those done, repeats left out.';
COMMENT ON COLUMN "report"."throughput_hourly"."output_bytes" IS 'Bytes of their outputs, repeats left out.';--> statement-breakpoint
CREATE OR REPLACE VIEW "report"."stage_seconds" AS
select b.batch_id, b.tenant_id, b.created_at as batch_created_at, s.stage, s.images,
  s.ms[1] * 0.001 as p50_seconds, s.ms[2] * 0.001 as p95_seconds, s.ms[3] * 0.001 as p99_seconds, s.ms[4] * 0.001 as longest_seconds, s.total_ms * 0.001 as total_seconds
from batch b
cross join lateral (
  select percentile_disc(array[0.5, 0.95, 0.99, 1]) within group (order by i.wait_ms) as wait_ms, count(i.wait_ms)::integer as waits, sum(i.wait_ms) as wait_sum,
    percentile_disc(array[0.5, 0.95, 0.99, 1]) within group (order by i.fetch_ms) as fetch_ms, count(i.fetch_ms)::integer as fetchs, sum(i.fetch_ms) as fetch_sum,
    percentile_disc(array[0.5, 0.95, 0.99, 1]) within group (order by i.encode_ms) as encode_ms, count(i.encode_ms)::integer as encodes, sum(i.encode_ms) as encode_sum,
    percentile_disc(array[0.5, 0.95, 0.99, 1]) within group (order by i.store_ms) as store_ms, count(i.store_ms)::integer as stores, sum(i.store_ms) as store_sum
  from image i where i.batch_id = b.batch_id and i.state in ('done', 'failed') and i.same_as is null
) m
cross join lateral (values ('wait', m.waits, m.wait_ms, m.wait_sum), ('fetch', m.fetchs, m.fetch_ms, m.fetch_sum), ('encode', m.encodes, m.encode_ms, m.encode_sum),
  ('store', m.stores, m.store_ms, m.store_sum)) as s(stage, images, ms, total_ms)
where s.images > 0;--> statement-breakpoint
COMMENT ON VIEW "report"."stage_seconds" IS 'One row for each batch and stage: how long the last attempts at its images took there. Percentiles of several batches cannot be made of these; take them from report.images.';--> statement-breakpoint
COMMENT ON COLUMN "report"."stage_seconds"."batch_id" IS 'The batch.';
COMMENT ON COLUMN "report"."stage_seconds"."tenant_id" IS 'Whose batch it is; there is one tenant today.';
COMMENT ON COLUMN "report"."stage_seconds"."batch_created_at" IS 'When the batch was uploaded.';
COMMENT ON COLUMN "report"."stage_seconds"."stage" IS 'wait (due, but not begun), fetch, encode or store.';
COMMENT ON COLUMN "report"."stage_seconds"."images" IS 'Images that were measured there: settled ones that came so far; no repeats. A reused image is not encoded or stored.';
COMMENT ON COLUMN "report"."stage_seconds"."p50_seconds" IS 'Half of them took this long or less.';
COMMENT ON COLUMN "report"."stage_seconds"."p95_seconds" IS '95 of 100 took this long or less.';
COMMENT ON COLUMN "report"."stage_seconds"."p99_seconds" IS '99 of 100 took this long or less.';
COMMENT ON COLUMN "report"."stage_seconds"."longest_seconds" IS 'The longest.';
COMMENT ON COLUMN "report"."stage_seconds"."total_seconds" IS 'All of them together; stages of different images run at the same time.';--> statement-breakpoint
CREATE OR REPLACE VIEW "report"."savings" AS
select b.batch_id, b.tenant_id, b.created_at as batch_created_at, b.images_done, b.images_reused,
  b.input_bytes as source_bytes, b.output_bytes, b.input_bytes - b.output_bytes as saved_bytes,
  round(100.0 * (b.input_bytes - b.output_bytes) / nullif(b.input_bytes, 0), 1) as saved_percent,
  b.input_bytes - r.source_bytes as made_source_bytes, b.output_bytes - r.output_bytes as made_output_bytes,
  r.source_bytes as reused_source_bytes, r.output_bytes as reused_output_bytes,
  f.bytes as first_output_bytes, round(100.0 * (b.input_bytes - f.bytes) / nullif(b.input_bytes, 0), 1) as first_output_saved_percent,
  (select count(*) from output o where o.batch_id = b.batch_id)::integer as outputs,
  (select count(*) from output o where o.batch_id = b.batch_id and o.is_kept)::integer as outputs_kept
from batch b
cross join lateral (
  select coalesce(sum(i.source_bytes), 0)::bigint as source_bytes,
    coalesce(sum((select sum(o.bytes) from output o where o.batch_id = i.batch_id and o.ordinal = i.ordinal)), 0)::bigint as output_bytes
  from image i where b.images_reused > 0 and i.batch_id = b.batch_id and i.is_reused and i.state = 'done'
) r
cross join lateral (
  select case when jsonb_array_length(b.recipe->'outputs') > 1 then coalesce((
    select sum(o.bytes) from output o where o.batch_id = b.batch_id and o.name = b.recipe->'outputs'->0->>'name'), 0)
    else b.output_bytes end::bigint as bytes
) f;--> statement-breakpoint
COMMENT ON VIEW "report"."savings" IS 'One row for each batch: bytes before and after. No byte is counted twice within a batch; what is counted as made is counted in no other batch either.';--> statement-breakpoint
COMMENT ON COLUMN "report"."savings"."batch_id" IS 'The batch.';
COMMENT ON COLUMN "report"."savings"."tenant_id" IS 'Whose batch it is; there is one tenant today.';
COMMENT ON COLUMN "report"."savings"."batch_created_at" IS 'When the batch was uploaded.';
COMMENT ON COLUMN "report"."savings"."images_done" IS 'Images with an output, repeats included.';
COMMENT ON COLUMN "report"."savings"."images_reused" IS 'Of them linked to what an earlier batch had made; repeats of those are not counted.';
COMMENT ON COLUMN "report"."savings"."source_bytes" IS 'Bytes of the originals of images done, each distinct URL of the batch once; reused ones included.';
COMMENT ON COLUMN "report"."savings"."output_bytes" IS 'Bytes of all outputs, those of repeats once; reused ones included.';
COMMENT ON COLUMN "report"."savings"."saved_bytes" IS 'source_bytes less output_bytes; negative where several outputs together are larger than what they were made of.';
COMMENT ON COLUMN "report"."savings"."saved_percent" IS 'The same in per cent of source_bytes; null where nothing is done.';
COMMENT ON COLUMN "report"."savings"."made_source_bytes" IS 'Of source_bytes: of images that this batch fetched and compressed itself. Sum these over batches.';
COMMENT ON COLUMN "report"."savings"."made_output_bytes" IS 'Of output_bytes: what this batch made itself. Sum these over batches.';
COMMENT ON COLUMN "report"."savings"."reused_source_bytes" IS 'Of source_bytes: of images linked to an earlier batch''s.';
COMMENT ON COLUMN "report"."savings"."reused_output_bytes" IS 'Of output_bytes: linked to an earlier batch''s.';
COMMENT ON COLUMN "report"."savings"."first_output_bytes" IS 'Bytes of the output that stands for the image: the recipe''s first, or its only one.';
COMMENT ON COLUMN "report"."savings"."first_output_saved_percent" IS 'What a page saves that shows this one, in per cent of source_bytes.';
COMMENT ON COLUMN "report"."savings"."outputs" IS 'Files that were made or linked.';
COMMENT ON COLUMN "report"."savings"."outputs_kept" IS 'Of them the input itself without its metadata, since nothing smaller could be made of it.';--> statement-breakpoint
CREATE OR REPLACE VIEW "report"."deliveries" AS
select d.event_id, d.endpoint_id, v.batch_id, b.tenant_id, v.type as event_type, v.run, regexp_replace(substring(e.url from '^[^:]+://([^/?#]*)'), '^.*@', '') as endpoint_host,
  d.state, d.attempts::integer as attempts, l.http_status as last_http_status, l.detail as last_detail,
  v.created_at, case when d.state = 'pending' then d.next_at end as next_attempt_at, d.settled_at,
  round(extract(epoch from d.settled_at - v.created_at), 3) as duration_seconds
from delivery d
join event v on v.event_id = d.event_id
join endpoint e on e.endpoint_id = d.endpoint_id
left join batch b on b.batch_id = v.batch_id
left join lateral (
  select a.http_status::integer as http_status, a.detail from delivery_attempt a
  where a.event_id = d.event_id and a.endpoint_id = d.endpoint_id order by a.attempt desc limit 1
) l on true;--> statement-breakpoint
COMMENT ON VIEW "report"."deliveries" IS 'One row for each event and each endpoint that it is sent to. Of an endpoint only the host is shown: paths of webhooks hold secrets.';--> statement-breakpoint
COMMENT ON COLUMN "report"."deliveries"."event_id" IS 'The event; sent as webhook-id.';
COMMENT ON COLUMN "report"."deliveries"."endpoint_id" IS 'The endpoint.';
COMMENT ON COLUMN "report"."deliveries"."batch_id" IS 'The batch.';
COMMENT ON COLUMN "report"."deliveries"."tenant_id" IS 'Whose batch it is; there is one tenant today.';
COMMENT ON COLUMN "report"."deliveries"."event_type" IS 'batch.completed, batch.failed, batch.paused or batch.resumed.';
COMMENT ON COLUMN "report"."deliveries"."run" IS 'The batch''s run that it tells of.';
COMMENT ON COLUMN "report"."deliveries"."endpoint_host" IS 'Where it is sent, without path and query.';
COMMENT ON COLUMN "report"."deliveries"."state" IS 'pending (on its way), delivered, failed (given up after the last attempt), or gone (the receiver answered 410).';
COMMENT ON COLUMN "report"."deliveries"."attempts" IS 'How often it was sent.';
COMMENT ON COLUMN "report"."deliveries"."last_http_status" IS 'What the receiver answered last; null where it did not.';
COMMENT ON COLUMN "report"."deliveries"."last_detail" IS 'The same for people.';
COMMENT ON COLUMN "report"."deliveries"."created_at" IS 'When the event happened.';
COMMENT ON COLUMN "report"."deliveries"."next_attempt_at" IS 'When it is sent next; null once it is settled.';
COMMENT ON COLUMN "report"."deliveries"."settled_at" IS 'When it was delivered or given up; null before.';
COMMENT ON COLUMN "report"."deliveries"."duration_seconds" IS 'From the event until it was settled.';--> statement-breakpoint
CREATE OR REPLACE VIEW "report"."delivery_attempts" AS
select a.event_id, a.endpoint_id, v.batch_id, b.tenant_id, v.type as event_type, regexp_replace(substring(e.url from '^[^:]+://([^/?#]*)'), '^.*@', '') as endpoint_host, a.attempt::integer as attempt,
  coalesce(a.http_status between 200 and 299, false) as is_delivered, a.http_status::integer as http_status, a.detail, a.attempted_at, a.duration_ms * 0.001 as duration_seconds
from delivery_attempt a
join event v on v.event_id = a.event_id
join endpoint e on e.endpoint_id = a.endpoint_id
left join batch b on b.batch_id = v.batch_id;--> statement-breakpoint
COMMENT ON VIEW "report"."delivery_attempts" IS 'One row for each time that an event was sent to an endpoint.';--> statement-breakpoint
COMMENT ON COLUMN "report"."delivery_attempts"."event_id" IS 'The event; sent as webhook-id.';
COMMENT ON COLUMN "report"."delivery_attempts"."endpoint_id" IS 'The endpoint.';
COMMENT ON COLUMN "report"."delivery_attempts"."batch_id" IS 'The batch.';
COMMENT ON COLUMN "report"."delivery_attempts"."tenant_id" IS 'Whose batch it is; there is one tenant today.';
COMMENT ON COLUMN "report"."delivery_attempts"."event_type" IS 'What happened to the batch.';
COMMENT ON COLUMN "report"."delivery_attempts"."endpoint_host" IS 'Where it was sent, without path and query.';
COMMENT ON COLUMN "report"."delivery_attempts"."attempt" IS '1 for the first.';
COMMENT ON COLUMN "report"."delivery_attempts"."is_delivered" IS 'Whether the receiver answered with a status from 200 to 299.';
COMMENT ON COLUMN "report"."delivery_attempts"."http_status" IS 'What the receiver answered; null where it did not.';
COMMENT ON COLUMN "report"."delivery_attempts"."detail" IS 'The same for people.';
COMMENT ON COLUMN "report"."delivery_attempts"."attempted_at" IS 'When the attempt was recorded, at its end.';
COMMENT ON COLUMN "report"."delivery_attempts"."duration_seconds" IS 'How long the receiver took.';--> statement-breakpoint
CREATE OR REPLACE VIEW "report"."backlog" AS
select b.batch_id, b.tenant_id, b.status, b.paused_at is not null as is_paused, b.pause_reason, b.created_at,
  round(extract(epoch from now() - b.created_at), 3) as age_seconds, b.images_total as images,
  b.images_total - b.images_done - b.images_failed - b.images_skipped as images_open,
  u.unplanned as images_unplanned, b.images_queued, w.delayed as images_delayed, w.held as images_host_paused,
  b.images_total - b.images_done - b.images_failed - b.images_skipped - u.unplanned - b.images_queued as images_repeated, w.oldest as oldest_queued_at
from batch b
cross join lateral (
  select case when b.is_planned then 0 else b.images_total - coalesce((
    select p.first_ordinal + cardinality(p.urls) from product p where p.batch_id = b.batch_id and p.line = b.planned_line), 0) end as unplanned
) u
cross join lateral (
  select (count(*) filter (where i.not_before > now()))::integer as delayed, count(h.host)::integer as held, min(i.queued_at) as oldest
  from image i left join host_pause h on h.host = i.host and h.paused_until > now()
  where i.batch_id = b.batch_id and i.state = 'planned' and i.same_as is null
) w
where b.status in ('pending', 'processing');--> statement-breakpoint
COMMENT ON VIEW "report"."backlog" IS 'One row for each batch that has not ended: what is still to be done, and what it waits for.';--> statement-breakpoint
COMMENT ON COLUMN "report"."backlog"."batch_id" IS 'The batch.';
COMMENT ON COLUMN "report"."backlog"."tenant_id" IS 'Whose batch it is; there is one tenant today.';
COMMENT ON COLUMN "report"."backlog"."status" IS 'pending or processing.';
COMMENT ON COLUMN "report"."backlog"."is_paused" IS 'Whether nothing new of it is tried until it is resumed.';
COMMENT ON COLUMN "report"."backlog"."pause_reason" IS 'Why; null while it is not paused.';
COMMENT ON COLUMN "report"."backlog"."created_at" IS 'When it was uploaded.';
COMMENT ON COLUMN "report"."backlog"."age_seconds" IS 'How long ago that is.';
COMMENT ON COLUMN "report"."backlog"."images" IS 'Images of the batch, repeats included.';
COMMENT ON COLUMN "report"."backlog"."images_open" IS 'Not settled yet: images_unplanned, images_queued and images_repeated together.';
COMMENT ON COLUMN "report"."backlog"."images_unplanned" IS 'Not yet planned: at most 2,000 images of a batch are queued at a time.';
COMMENT ON COLUMN "report"."backlog"."images_queued" IS 'Planned and not settled: waiting for their turn, or in hand.';
COMMENT ON COLUMN "report"."backlog"."images_delayed" IS 'Of those queued: waiting for the time of their next attempt.';
COMMENT ON COLUMN "report"."backlog"."images_host_paused" IS 'Of those queued: from hosts that nobody asks for now, because they asked for that or only fail.';
COMMENT ON COLUMN "report"."backlog"."images_repeated" IS 'Planned repeats whose first image is not settled yet.';
COMMENT ON COLUMN "report"."backlog"."oldest_queued_at" IS 'Since when the longest of those queued has waited; null where none is queued.';
