-- A host is paused for those who show it the same credentials: domain/asker.ts makes the same key. The view of before counted the images of
-- batches without headers alone.
CREATE OR REPLACE VIEW "report"."backlog" AS
select b.batch_id, b.tenant_id, b.status, b.paused_at is not null as is_paused, b.pause_reason, b.created_at,
  round(extract(epoch from now() - b.created_at), 3) as age_seconds, b.images_total as images,
  b.images_total - b.images_done - b.images_failed - b.images_skipped as images_open,
  u.unplanned as images_unplanned, b.images_queued + b.images_due as images_queued, w.delayed as images_delayed, w.held as images_host_paused,
  b.images_total - b.images_done - b.images_failed - b.images_skipped - u.unplanned - b.images_queued - b.images_due - b.images_held as images_repeated,
  w.oldest as oldest_queued_at, b.hosts_paused, b.images_held
from batch b
cross join lateral (
  select case when b.is_planned then 0 else b.images_total - coalesce((
    select p.first_ordinal + cardinality(p.urls) from product p where p.batch_id = b.batch_id and p.line = b.planned_line), 0) end as unplanned
) u
cross join lateral (
  select ' ' || left(encode(sha256(convert_to((b.source_headers::jsonb - 'sealed')::text, 'UTF8')), 'hex'), 16) as mark
) m
cross join lateral (
  select (count(*) filter (where i.not_before > now()))::integer as delayed, count(h.host)::integer as held, min(i.queued_at) as oldest
  from image i left join host_pause h on h.paused_until > now()
    and h.host = case when b.source_headers::jsonb->'hosts' ? i.host then i.host || m.mark else i.host end
  where i.batch_id = b.batch_id and i.state = 'planned' and i.same_as is null
    and (b.hosts_paused = 0 or not exists (
      select 1 from held_image x join host_share s on s.batch_id = x.batch_id and s.host = x.host
      where x.batch_id = i.batch_id and x.host = i.host and x.ordinal = i.ordinal and s.paused_at is not null and s.round = b.budget_round))
) w
where b.status in ('pending', 'processing');
