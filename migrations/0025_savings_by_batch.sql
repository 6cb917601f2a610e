-- Outputs and reused images are found by their batch, whatever statistics say: by those from when the tables held one large batch, each batch
-- has all of the rows, and each read all of them.
CREATE OR REPLACE VIEW "report"."savings" AS
select b.batch_id, b.tenant_id, b.created_at as batch_created_at, b.images_done, b.images_reused,
  b.input_bytes as source_bytes, b.output_bytes, b.input_bytes - b.output_bytes as saved_bytes,
  round(100.0 * (b.input_bytes - b.output_bytes) / nullif(b.input_bytes, 0), 1) as saved_percent,
  b.input_bytes - r.source_bytes as made_source_bytes, b.output_bytes - r.output_bytes as made_output_bytes,
  r.source_bytes as reused_source_bytes, r.output_bytes as reused_output_bytes,
  f.bytes as first_output_bytes, round(100.0 * (b.input_bytes - f.bytes) / nullif(b.input_bytes, 0), 1) as first_output_saved_percent,
  (select count(*) from (select 1 from output where batch_id = b.batch_id order by ordinal offset 0) o)::integer as outputs,
  (select count(*) from (select is_kept from output where batch_id = b.batch_id order by ordinal offset 0) o where o.is_kept)::integer as outputs_kept
from batch b
cross join lateral (
  select coalesce(sum(i.source_bytes), 0)::bigint as source_bytes,
    coalesce(sum((select sum(o.bytes) from output o where o.batch_id = b.batch_id and o.ordinal = i.ordinal)), 0)::bigint as output_bytes
  from (select ordinal, source_bytes, is_reused, state from image where b.images_reused > 0 and batch_id = b.batch_id order by ordinal offset 0) i
  where i.is_reused and i.state = 'done'
) r
cross join lateral (
  select case when jsonb_array_length(b.recipe->'outputs') > 1 then coalesce((
    select sum(o.bytes) from (select name, bytes from output where batch_id = b.batch_id order by ordinal offset 0) o
    where o.name = b.recipe->'outputs'->0->>'name'), 0)
    else b.output_bytes end::bigint as bytes
) f;
