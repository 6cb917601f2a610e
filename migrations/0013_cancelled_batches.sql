ALTER TABLE "event" DROP CONSTRAINT "event_type";--> statement-breakpoint
DROP INDEX "event_once";--> statement-breakpoint
ALTER TABLE "batch" ADD COLUMN "cancelled_at" timestamp with time zone;--> statement-breakpoint
CREATE UNIQUE INDEX "event_once" ON "event" USING btree ("batch_id","run","type") WHERE type in ('batch.completed', 'batch.failed', 'batch.cancelled');--> statement-breakpoint
ALTER TABLE "event" ADD CONSTRAINT "event_type" CHECK (type in ('batch.completed', 'batch.failed', 'batch.cancelled', 'batch.paused', 'batch.resumed', 'batch.host_paused', 'batch.host_resumed'));--> statement-breakpoint
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
    -- What was not planned when its batch was cancelled has no row.
    (count(*) filter (where i.state = 'cancelled') + case when b.cancelled_at is not null then cardinality(p.urls) - count(*) else 0 end)::integer as skipped,
    count(i.same_as)::integer as repeated,
    string_agg(distinct i.code, ', ' order by i.code) filter (where i.state = 'failed') as codes
  from image i where i.batch_id = p.batch_id and i.ordinal >= p.first_ordinal and i.ordinal < p.first_ordinal + cardinality(p.urls)
) n;--> statement-breakpoint
COMMENT ON COLUMN "report"."batches"."status" IS 'pending, processing, completed (all settled, at least one image done), failed (none done) or cancelled (ended before all were tried). A paused batch keeps its status.';--> statement-breakpoint
COMMENT ON COLUMN "report"."images"."state" IS 'planned (not settled yet), done, failed, or cancelled. A repeat has its first image''s. What was not planned when its batch was cancelled has no row.';
--> statement-breakpoint
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
  round(extract(epoch from b.finished_at - b.created_at), 3) as duration_seconds,
  b.pause_host_at_failure_percent::integer as pause_host_at_failure_percent, b.hosts_paused, b.images_held,
  b.cancelled_at
from batch b;--> statement-breakpoint
COMMENT ON COLUMN "report"."batches"."cancelled_at" IS 'When somebody cancelled it; null where nobody did. It is paused from then on until it has ended.';--> statement-breakpoint
COMMENT ON COLUMN "report"."deliveries"."event_type" IS 'batch.completed, batch.failed, batch.cancelled, batch.paused, batch.resumed, batch.host_paused or batch.host_resumed.';
--> statement-breakpoint
-- Tiled TIFFs with lost tiles and YCbCr ones that are not JPEG inside came out as other pictures: see PICTURES in domain/source-key.ts.
TRUNCATE known_source;
