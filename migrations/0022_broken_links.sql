-- The end of a signed link that was broken in two is no URL, and has no ? before its signature: from & and = on it is not shown either.
-- Details of before quote up to 100 characters of it; today's end with the mark and a ….
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
left join batch b on b.batch_id = i.batch_id
left join product p on p.batch_id = i.batch_id and p.line = i.line;--> statement-breakpoint
COMMENT ON COLUMN "report"."images"."url" IS 'What is fetched, without its query, which may hold a signature or a key, and without a link of OneDrive, which its path may hold; of what is no URL also without all from an & or = on, and all that stands before an @.';
