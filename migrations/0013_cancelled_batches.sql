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
    (count(*) filter (where i.state = 'cancelled') + case when b.status = 'cancelled' then cardinality(p.urls) - count(*) else 0 end)::integer as skipped,
    count(i.same_as)::integer as repeated,
    string_agg(distinct i.code, ', ' order by i.code) filter (where i.state = 'failed') as codes
  from image i where i.batch_id = p.batch_id and i.ordinal >= p.first_ordinal and i.ordinal < p.first_ordinal + cardinality(p.urls)
) n;--> statement-breakpoint
COMMENT ON COLUMN "report"."batches"."status" IS 'pending, processing, completed (all settled, at least one image done), failed (none done) or cancelled (ended before all were tried). A paused batch keeps its status.';--> statement-breakpoint
COMMENT ON COLUMN "report"."images"."state" IS 'planned (not settled yet), done, failed, or cancelled. A repeat has its first image''s. What was not planned when its batch was cancelled has no row.';
