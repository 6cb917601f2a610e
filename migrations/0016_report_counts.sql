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
    -- What was not planned when its batch was cancelled has no row, and counts as skipped once the batch itself counts it.
    (count(*) filter (where i.state = 'cancelled') + case when b.is_planned then cardinality(p.urls) - count(*) else 0 end)::integer as skipped,
    count(i.same_as)::integer as repeated,
    string_agg(distinct i.code, ', ' order by i.code) filter (where i.state = 'failed') as codes
  from image i where i.batch_id = p.batch_id and i.ordinal >= p.first_ordinal and i.ordinal < p.first_ordinal + cardinality(p.urls)
) n;--> statement-breakpoint
COMMENT ON COLUMN "report"."images"."store_seconds" IS 'Of its last attempt: writing files to where they stay, and the wait until they are on the disk. Null where it did not come so far.';--> statement-breakpoint
COMMENT ON COLUMN "report"."images"."http_status" IS 'HTTP status of the answer that was fetched, or that it failed for; of a reused image that of the first time. Null where there is neither.';--> statement-breakpoint
COMMENT ON COLUMN "report"."images"."started_at" IS 'When its last attempt began; null until it is settled, and where it was not tried or was cancelled.';--> statement-breakpoint
COMMENT ON COLUMN "report"."images"."wait_seconds" IS 'How long it was due before its last attempt began, counted from next_attempt_at where it had to wait for that; null until it is settled, and where it was not tried or was cancelled.';--> statement-breakpoint
COMMENT ON COLUMN "report"."savings"."saved_bytes" IS 'source_bytes less output_bytes; negative where outputs, several above all, are larger than what they were made of.';
