-- Statistics can say that one batch has all images there are. By them all were read for each batch; in this order the key finds them.
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
  from (select host, state, code, same_as, finished_at from image where batch_id = b.batch_id order by ordinal offset 0) i
  group by i.host, i.state, i.code
) g
group by b.batch_id, b.tenant_id, b.created_at, g.host;--> statement-breakpoint
CREATE OR REPLACE VIEW "report"."stage_seconds" AS
select b.batch_id, b.tenant_id, b.created_at as batch_created_at, s.stage, s.images,
  s.ms[1] * 0.001 as p50_seconds, s.ms[2] * 0.001 as p95_seconds, s.ms[3] * 0.001 as p99_seconds, s.ms[4] * 0.001 as longest_seconds, s.total_ms * 0.001 as total_seconds
from batch b
cross join lateral (
  select percentile_disc(array[0.5, 0.95, 0.99, 1]) within group (order by i.wait_ms) as wait_ms, count(i.wait_ms)::integer as waits, sum(i.wait_ms) as wait_sum,
    percentile_disc(array[0.5, 0.95, 0.99, 1]) within group (order by i.fetch_ms) as fetch_ms, count(i.fetch_ms)::integer as fetchs, sum(i.fetch_ms) as fetch_sum,
    percentile_disc(array[0.5, 0.95, 0.99, 1]) within group (order by i.encode_ms) as encode_ms, count(i.encode_ms)::integer as encodes, sum(i.encode_ms) as encode_sum,
    percentile_disc(array[0.5, 0.95, 0.99, 1]) within group (order by i.store_ms) as store_ms, count(i.store_ms)::integer as stores, sum(i.store_ms) as store_sum
  from (
    select wait_ms, fetch_ms, encode_ms, store_ms from image
    where batch_id = b.batch_id and state in ('done', 'failed') and same_as is null order by ordinal offset 0
  ) i
) m
cross join lateral (values ('wait', m.waits, m.wait_ms, m.wait_sum), ('fetch', m.fetchs, m.fetch_ms, m.fetch_sum), ('encode', m.encodes, m.encode_ms, m.encode_sum),
  ('store', m.stores, m.store_ms, m.store_sum)) as s(stage, images, ms, total_ms)
where s.images > 0;
