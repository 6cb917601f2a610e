CREATE TABLE "host_pause" (
	"host" text PRIMARY KEY NOT NULL,
	"paused_until" timestamp with time zone NOT NULL,
	"reason" text NOT NULL,
	"strikes" integer DEFAULT 0 NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "known_source" (
	"tenant_id" uuid NOT NULL,
	"key" uuid NOT NULL,
	"batch_id" uuid NOT NULL,
	"ordinal" integer NOT NULL,
	"sha256" text NOT NULL,
	"etag" text,
	"last_modified" text,
	CONSTRAINT "known_source_tenant_id_key_pk" PRIMARY KEY("tenant_id","key")
);
--> statement-breakpoint
ALTER TABLE "event" DROP CONSTRAINT "event_type";--> statement-breakpoint
DROP INDEX "event_once";--> statement-breakpoint
ALTER TABLE "batch" ADD COLUMN "refresh" text DEFAULT 'auto' NOT NULL;--> statement-breakpoint
ALTER TABLE "batch" ADD COLUMN "source_headers" text;--> statement-breakpoint
ALTER TABLE "batch" ADD COLUMN "pause_at_failure_percent" smallint;--> statement-breakpoint
ALTER TABLE "batch" ADD COLUMN "paused_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "batch" ADD COLUMN "pause_reason" text;--> statement-breakpoint
ALTER TABLE "batch" ADD COLUMN "images_reused" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "image" ADD COLUMN "is_reused" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "output" ADD COLUMN "quality" smallint;--> statement-breakpoint
ALTER TABLE "output" ADD COLUMN "is_kept" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "output" ADD COLUMN "encode_ms" integer;--> statement-breakpoint
ALTER TABLE "known_source" ADD CONSTRAINT "known_source_tenant_id_tenant_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("tenant_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "event_once" ON "event" USING btree ("batch_id","run","type") WHERE type in ('batch.completed', 'batch.failed');--> statement-breakpoint
ALTER TABLE "event" ADD CONSTRAINT "event_type" CHECK (type in ('batch.completed', 'batch.failed', 'batch.paused', 'batch.resumed'));