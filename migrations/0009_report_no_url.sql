-- A password can hold a ? or a #: where one stands before an @, neither side of it can be shown.
CREATE OR REPLACE VIEW "report"."images" AS
select i.batch_id, b.tenant_id, b.created_at as batch_created_at, i.ordinal, i.line, i.position, p.serial as product_id, p.name as product_name,
  case when i.code is distinct from 'url_invalid' then split_part(i.url, '?', 1)
    when i.url ~ '[?#].*@' then '...' else regexp_replace(regexp_replace(i.url, '[?#].*$', ''), '^.*@', '...@') end as url,
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
CREATE OR REPLACE VIEW "report"."failures_by_code" AS
select i.batch_id, b.tenant_id, b.created_at as batch_created_at, i.code,
  case when i.code = 'url_invalid' then 'intake'
    when i.code in ('address_blocked', 'dns_failed', 'connect_failed', 'tls_failed', 'timed_out', 'not_found', 'unauthorized', 'forbidden', 'rate_limited', 'server_error', 'http_error', 'too_many_redirects', 'too_large', 'truncated') then 'fetch'
    when i.code in ('html_page', 'not_an_image', 'unsupported_format', 'too_many_pixels') then 'inspect'
    when i.code in ('corrupt_image', 'encode_timed_out', 'encoder_crashed') then 'encode'
    when i.code = 'storage_failed' then 'store' end as stage,
  i.code in ('dns_failed', 'connect_failed', 'timed_out', 'rate_limited', 'server_error', 'truncated', 'storage_failed') as is_retryable,
  count(*)::integer as images, (count(*) filter (where i.same_as is null))::integer as distinct_images,
  count(distinct nullif(i.host, ''))::integer as hosts, sum(i.attempts)::integer as attempts,
  min(i.finished_at) as first_failed_at, max(i.finished_at) as last_failed_at
from image i
join batch b on b.batch_id = i.batch_id
where i.state = 'failed'
group by i.batch_id, b.tenant_id, b.created_at, i.code;--> statement-breakpoint
COMMENT ON COLUMN "report"."batches"."started_at" IS 'When its first image was taken up, or its end where none had to be; null before.';
COMMENT ON COLUMN "report"."batches"."finished_at" IS 'When it ended: its images were settled and its result file was written; null before.';
COMMENT ON COLUMN "report"."images"."queued_at" IS 'When it was planned, or queued again by a resume of its batch or host.';
COMMENT ON COLUMN "report"."images"."started_at" IS 'When its last attempt began; null until it is settled, and where it was not tried.';
COMMENT ON COLUMN "report"."images"."wait_seconds" IS 'How long it was due before its last attempt began; null until it is settled, and where it was not tried.';
COMMENT ON COLUMN "report"."failures_by_code"."hosts" IS 'How many hosts they came from; 0 for what is no URL.';
