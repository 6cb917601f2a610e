CREATE TABLE "held_image" (
	"batch_id" uuid NOT NULL,
	"host" text NOT NULL,
	"ordinal" integer NOT NULL,
	CONSTRAINT "held_image_batch_id_host_ordinal_pk" PRIMARY KEY("batch_id","host","ordinal")
);
--> statement-breakpoint
CREATE TABLE "host_share" (
	"batch_id" uuid NOT NULL,
	"host" text NOT NULL,
	"round" integer NOT NULL,
	"settled" integer DEFAULT 0 NOT NULL,
	"failed" integer DEFAULT 0 NOT NULL,
	"paused_at" timestamp with time zone,
	"pause_reason" text,
	"images_held" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "host_share_batch_id_host_pk" PRIMARY KEY("batch_id","host"),
	CONSTRAINT "host_share_held_count" CHECK (images_held >= 0)
);
--> statement-breakpoint
ALTER TABLE "event" DROP CONSTRAINT "event_type";--> statement-breakpoint
ALTER TABLE "batch" ADD COLUMN "pause_host_at_failure_percent" smallint;--> statement-breakpoint
ALTER TABLE "batch" ADD COLUMN "budget_round" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "batch" ADD COLUMN "hosts_paused" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "batch" ADD COLUMN "images_held" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "batch" ADD COLUMN "images_due" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "batch" ADD COLUMN "waits_for_hosts" boolean DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX "host_share_held" ON "host_share" USING btree ("batch_id","host") WHERE paused_at is not null or images_held > 0;--> statement-breakpoint
ALTER TABLE "batch" ADD CONSTRAINT "batch_hosts" CHECK (hosts_paused >= 0 and images_held >= 0 and images_due >= 0);--> statement-breakpoint
ALTER TABLE "event" ADD CONSTRAINT "event_type" CHECK (type in ('batch.completed', 'batch.failed', 'batch.paused', 'batch.resumed', 'batch.host_paused', 'batch.host_resumed'));--> statement-breakpoint
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
  b.pause_host_at_failure_percent::integer as pause_host_at_failure_percent, b.hosts_paused, b.images_held
from batch b;--> statement-breakpoint
COMMENT ON COLUMN "report"."batches"."pause_host_at_failure_percent" IS 'The share of one host is paused once more than this of what was tried of it has failed; null: never.';
COMMENT ON COLUMN "report"."batches"."hosts_paused" IS 'How many hosts'' shares of it are paused until they are resumed.';
COMMENT ON COLUMN "report"."batches"."images_held" IS 'Images of those hosts that wait for the resume, as far as they are planned.';--> statement-breakpoint
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
  select (count(*) filter (where i.not_before > now()))::integer as delayed, count(h.host)::integer as held, min(i.queued_at) as oldest
  from image i left join host_pause h on h.host = i.host and h.paused_until > now()
  where i.batch_id = b.batch_id and i.state = 'planned' and i.same_as is null
    and (b.hosts_paused = 0 or not exists (
      select 1 from held_image x join host_share s on s.batch_id = x.batch_id and s.host = x.host
      where x.batch_id = i.batch_id and x.host = i.host and x.ordinal = i.ordinal and s.paused_at is not null and s.round = b.budget_round))
) w
where b.status in ('pending', 'processing');--> statement-breakpoint
COMMENT ON COLUMN "report"."backlog"."images_open" IS 'Not settled yet: images_unplanned, images_queued, images_repeated and images_held together.';
COMMENT ON COLUMN "report"."backlog"."hosts_paused" IS 'How many hosts'' shares of it are paused until they are resumed.';
COMMENT ON COLUMN "report"."backlog"."images_held" IS 'Planned images of those hosts, which nobody tries before.';--> statement-breakpoint
COMMENT ON COLUMN "report"."deliveries"."event_type" IS 'batch.completed, batch.failed, batch.paused, batch.resumed, batch.host_paused or batch.host_resumed.';
