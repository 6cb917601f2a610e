-- The end of a signed link that was broken in two is no URL, and has no ? before its signature: from & and = on it is not shown either.
-- Details of before quote up to 100 characters of it; today's end with the mark and a ….
-- Rows of a batch that is being removed show no more: its own goes first (db/remove-batches.ts).
CREATE OR REPLACE VIEW "report"."images" AS
select i.batch_id, b.tenant_id, b.created_at as batch_created_at, i.ordinal, i.line, i.position, p.serial as product_id, p.name as product_name,
  case when i.code is distinct from 'url_invalid' and i.url like '%/shares/u%' then regexp_replace(split_part(i.url, '?', 1), '/shares/u(!|%21).*', '/shares/u!...')
    when i.code is distinct from 'url_invalid' then split_part(i.url, '?', 1)
    when i.url ~ '[?#&=].*@' then '...' else regexp_replace(regexp_replace(i.url, '[?#&=].*$', ''), '^.*@', '...@') end as url,
  i.host, array_to_string(i.url_rules, ', ') as url_rules, i.state, i.code,
  case when i.code is distinct from 'url_invalid' then i.detail when i.url like '%@%' then regexp_replace(i.detail, '".*"', '"..."')
    else regexp_replace(i.detail, '"([^?#&=]*[?#&=])(?!.").*"', '"\1..."') end as detail,
  i.same_as is not null as is_repeat, i.same_as as repeat_of_ordinal, i.is_reused, i.attempts::integer as attempts,
  case when i.final_url like '%/shares/u%' then regexp_replace(split_part(i.final_url, '?', 1), '/shares/u(!|%21).*', '/shares/u!...') else split_part(i.final_url, '?', 1) end as final_url, i.http_status::integer as http_status, i.source_type, i.source_bytes,
  i.source_width as source_width_pixels, i.source_height as source_height_pixels, i.sha256 as source_sha256,
  (select count(*) from output o where o.batch_id = i.batch_id and o.ordinal = i.ordinal)::integer as outputs,
  (select sum(o.bytes) from output o where o.batch_id = i.batch_id and o.ordinal = i.ordinal)::bigint as output_bytes,
  i.queued_at, case when i.state = 'planned' then i.not_before end as next_attempt_at, i.started_at, i.finished_at,
  i.wait_ms * 0.001 as wait_seconds, i.fetch_ms * 0.001 as fetch_seconds, i.encode_ms * 0.001 as encode_seconds, i.store_ms * 0.001 as store_seconds
from image i
join batch b on b.batch_id = i.batch_id
left join product p on p.batch_id = i.batch_id and p.line = i.line;--> statement-breakpoint
CREATE OR REPLACE VIEW "report"."products" AS
select p.batch_id, b.tenant_id, b.created_at as batch_created_at, p.line, p.serial as product_id, p.name as product_name,
  case when cardinality(p.urls) = 0 then 'no_image'
    when n.done + n.failed + n.skipped < cardinality(p.urls) then 'pending'
    when n.done = cardinality(p.urls) then 'completed'
    when n.done = 0 then 'failed'
    else 'partial' end as state,
  cardinality(p.urls) as images, n.done as images_done, n.failed as images_failed, n.skipped as images_skipped, n.repeated as images_repeated, n.codes as failure_codes
from product p
join batch b on b.batch_id = p.batch_id
cross join lateral (
  select (count(*) filter (where i.state = 'done'))::integer as done, (count(*) filter (where i.state = 'failed'))::integer as failed,
    -- What was not planned when its batch was cancelled has no row, and counts as skipped once the batch itself counts it.
    (count(*) filter (where i.state = 'cancelled') + case when b.is_planned then cardinality(p.urls) - count(*) else 0 end)::integer as skipped,
    count(i.same_as)::integer as repeated,
    string_agg(distinct i.code, ', ' order by i.code) filter (where i.state = 'failed') as codes
  from image i where i.batch_id = p.batch_id and i.ordinal >= p.first_ordinal and i.ordinal < p.first_ordinal + cardinality(p.urls)
) n;--> statement-breakpoint
CREATE OR REPLACE VIEW "report"."image_attempts" AS
select a.batch_id, b.tenant_id, b.created_at as batch_created_at, a.ordinal, a.attempt::integer as attempt, i.host, 'retry' as outcome, a.code, a.detail,
  a.started_at, a.finished_at, round(extract(epoch from a.finished_at - a.started_at), 3) as duration_seconds
from image_attempt a
join batch b on b.batch_id = a.batch_id
left join image i on i.batch_id = a.batch_id and i.ordinal = a.ordinal
union all
select i.batch_id, b.tenant_id, b.created_at, i.ordinal, i.attempts::integer, i.host, case i.state when 'done' then 'done' else 'give_up' end, i.code, i.detail,
  i.started_at, i.finished_at, round(extract(epoch from i.finished_at - i.started_at), 3)
from image i
join batch b on b.batch_id = i.batch_id
where i.state in ('done', 'failed') and i.attempts > 0;--> statement-breakpoint
COMMENT ON COLUMN "report"."images"."url" IS 'What is fetched, without its query, which may hold a signature or a key, and without a link of OneDrive, which its path may hold; of what is no URL also without all from an & or = on, and all that stands before an @.';
