CREATE INDEX "image_failed" ON "image" USING btree ("batch_id","ordinal") WHERE state = 'failed';--> statement-breakpoint
-- Each batch is summed up by itself, so that whoever asks for the newest rows waits for no others.
CREATE OR REPLACE VIEW "report"."failures_by_host" AS
select b.batch_id, b.tenant_id, b.created_at as batch_created_at, h.host,
  h.images, h.images_done, h.images_failed, h.distinct_images_failed,
  round(100.0 * h.images_failed / nullif(h.images_done + h.images_failed, 0), 2) as failed_percent,
  h.commonest_code, h.last_failed_at
from batch b
cross join lateral (
  select g.host, sum(g.images)::integer as images,
    coalesce(sum(g.images) filter (where g.state = 'done'), 0)::integer as images_done,
    coalesce(sum(g.images) filter (where g.state = 'failed'), 0)::integer as images_failed,
    coalesce(sum(g.firsts) filter (where g.state = 'failed'), 0)::integer as distinct_images_failed,
    (array_agg(g.code order by g.images desc, g.code) filter (where g.state = 'failed'))[1] as commonest_code,
    max(g.finished_at) filter (where g.state = 'failed') as last_failed_at
  from (
    select i.host, i.state, i.code, count(*) as images, count(*) filter (where i.same_as is null) as firsts, max(i.finished_at) as finished_at
    from (select host, state, code, same_as, finished_at from image where batch_id = b.batch_id order by ordinal offset 0) i
    group by i.host, i.state, i.code
  ) g
  group by g.host
) h;--> statement-breakpoint
CREATE OR REPLACE VIEW "report"."failures_by_code" AS
select b.batch_id, b.tenant_id, b.created_at as batch_created_at, c.code,
  case when c.code = 'url_invalid' then 'intake'
    when c.code in ('address_blocked', 'dns_failed', 'connect_failed', 'tls_failed', 'timed_out', 'not_found', 'unauthorized', 'forbidden', 'rate_limited', 'server_error', 'http_error', 'too_many_redirects', 'too_large', 'truncated') then 'fetch'
    when c.code in ('html_page', 'not_an_image', 'unsupported_format', 'too_many_pixels') then 'inspect'
    when c.code in ('corrupt_image', 'encode_timed_out', 'encoder_crashed') then 'encode'
    when c.code = 'storage_failed' then 'store' end as stage,
  c.code in ('dns_failed', 'connect_failed', 'timed_out', 'rate_limited', 'server_error', 'truncated', 'storage_failed') as is_retryable,
  c.images, c.distinct_images, c.hosts, c.attempts, c.first_failed_at, c.last_failed_at
from batch b
cross join lateral (
  select i.code, count(*)::integer as images, (count(*) filter (where i.same_as is null))::integer as distinct_images,
    count(distinct nullif(i.host, ''))::integer as hosts, sum(i.attempts)::integer as attempts, min(i.finished_at) as first_failed_at, max(i.finished_at) as last_failed_at
  from (select code, host, same_as, attempts, finished_at from image where batch_id = b.batch_id and state = 'failed' order by ordinal offset 0) i
  group by i.code
) c;
