CREATE SEQUENCE "image_virtual_time" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE TABLE "batch" (
	"batch_id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" uuid NOT NULL,
	"token" text NOT NULL,
	"status" text DEFAULT 'pending' NOT NULL,
	"outcome" text,
	"run" integer DEFAULT 1 NOT NULL,
	"recipe" jsonb NOT NULL,
	"on_invalid" text NOT NULL,
	"csv_file_name" text,
	"csv_bytes" bigint NOT NULL,
	"csv_facts" jsonb NOT NULL,
	"products" integer NOT NULL,
	"images_total" integer NOT NULL,
	"images_done" integer DEFAULT 0 NOT NULL,
	"images_failed" integer DEFAULT 0 NOT NULL,
	"images_skipped" integer DEFAULT 0 NOT NULL,
	"images_queued" integer DEFAULT 0 NOT NULL,
	"planned_line" integer DEFAULT 0 NOT NULL,
	"is_planned" boolean DEFAULT false NOT NULL,
	"has_repeats" boolean DEFAULT false NOT NULL,
	"tag" integer DEFAULT 0 NOT NULL,
	"input_bytes" bigint DEFAULT 0 NOT NULL,
	"output_bytes" bigint DEFAULT 0 NOT NULL,
	"sequence" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp with time zone,
	"finished_at" timestamp with time zone,
	CONSTRAINT "batch_status" CHECK (status in ('pending', 'processing', 'completed', 'failed', 'cancelled')),
	CONSTRAINT "batch_outcome" CHECK (outcome in ('all', 'some', 'none')),
	CONSTRAINT "batch_counts" CHECK (images_done + images_failed + images_skipped <= images_total and images_queued >= 0)
);
--> statement-breakpoint
CREATE TABLE "delivery" (
	"event_id" uuid NOT NULL,
	"endpoint_id" uuid NOT NULL,
	"state" text DEFAULT 'pending' NOT NULL,
	"attempts" smallint DEFAULT 0 NOT NULL,
	"next_at" timestamp with time zone DEFAULT now() NOT NULL,
	"settled_at" timestamp with time zone,
	CONSTRAINT "delivery_event_id_endpoint_id_pk" PRIMARY KEY("event_id","endpoint_id"),
	CONSTRAINT "delivery_state" CHECK (state in ('pending', 'delivered', 'failed', 'gone'))
);
--> statement-breakpoint
CREATE TABLE "delivery_attempt" (
	"event_id" uuid NOT NULL,
	"endpoint_id" uuid NOT NULL,
	"attempt" smallint NOT NULL,
	"attempted_at" timestamp with time zone DEFAULT now() NOT NULL,
	"http_status" smallint,
	"detail" text NOT NULL,
	"duration_ms" integer NOT NULL,
	CONSTRAINT "delivery_attempt_event_id_endpoint_id_attempt_pk" PRIMARY KEY("event_id","endpoint_id","attempt")
);
--> statement-breakpoint
CREATE TABLE "endpoint" (
	"endpoint_id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" uuid NOT NULL,
	"batch_id" uuid,
	"url" text NOT NULL,
	"secret" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "event" (
	"event_id" uuid PRIMARY KEY NOT NULL,
	"batch_id" uuid NOT NULL,
	"run" integer NOT NULL,
	"type" text NOT NULL,
	"sequence" integer NOT NULL,
	"body" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "event_type" CHECK (type in ('batch.completed', 'batch.failed'))
);
--> statement-breakpoint
CREATE TABLE "image" (
	"batch_id" uuid NOT NULL,
	"ordinal" integer NOT NULL,
	"line" integer NOT NULL,
	"position" integer NOT NULL,
	"slug" text NOT NULL,
	"url" text NOT NULL,
	"host" text NOT NULL,
	"state" text DEFAULT 'planned' NOT NULL,
	"same_as" integer,
	"attempts" smallint DEFAULT 0 NOT NULL,
	"code" text,
	"detail" text,
	"not_before" timestamp with time zone,
	"queued_at" timestamp with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp with time zone,
	"finished_at" timestamp with time zone,
	"wait_ms" integer,
	"fetch_ms" integer,
	"encode_ms" integer,
	"store_ms" integer,
	"final_url" text,
	"http_status" smallint,
	"source_type" text,
	"source_bytes" bigint,
	"source_width" integer,
	"source_height" integer,
	"sha256" text,
	"etag" text,
	"last_modified" text,
	CONSTRAINT "image_batch_id_ordinal_pk" PRIMARY KEY("batch_id","ordinal"),
	CONSTRAINT "image_state" CHECK (state in ('planned', 'done', 'failed', 'cancelled')),
	CONSTRAINT "image_code" CHECK (code in ('url_invalid', 'address_blocked', 'dns_failed', 'connect_failed', 'tls_failed', 'timed_out', 'not_found', 'unauthorized', 'forbidden', 'rate_limited', 'server_error', 'http_error', 'too_many_redirects', 'too_large', 'truncated', 'html_page', 'not_an_image', 'unsupported_format', 'too_many_pixels', 'corrupt_image', 'encode_timed_out', 'encoder_crashed', 'storage_failed', 'cancelled'))
);
--> statement-breakpoint
CREATE TABLE "image_attempt" (
	"batch_id" uuid NOT NULL,
	"ordinal" integer NOT NULL,
	"attempt" smallint NOT NULL,
	"code" text NOT NULL,
	"detail" text NOT NULL,
	"started_at" timestamp with time zone NOT NULL,
	"finished_at" timestamp with time zone NOT NULL,
	CONSTRAINT "image_attempt_batch_id_ordinal_attempt_pk" PRIMARY KEY("batch_id","ordinal","attempt")
);
--> statement-breakpoint
CREATE TABLE "output" (
	"batch_id" uuid NOT NULL,
	"ordinal" integer NOT NULL,
	"name" text DEFAULT 'main' NOT NULL,
	"file_name" text NOT NULL,
	"format" text NOT NULL,
	"width" integer NOT NULL,
	"height" integer NOT NULL,
	"bytes" bigint NOT NULL,
	CONSTRAINT "output_batch_id_ordinal_name_pk" PRIMARY KEY("batch_id","ordinal","name")
);
--> statement-breakpoint
CREATE TABLE "product" (
	"batch_id" uuid NOT NULL,
	"line" integer NOT NULL,
	"first_ordinal" integer NOT NULL,
	"serial" text NOT NULL,
	"name" text NOT NULL,
	"slug" text NOT NULL,
	"urls" text[] NOT NULL,
	"cells" text[] NOT NULL,
	CONSTRAINT "product_batch_id_line_pk" PRIMARY KEY("batch_id","line")
);
--> statement-breakpoint
CREATE TABLE "tenant" (
	"tenant_id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "batch" ADD CONSTRAINT "batch_tenant_id_tenant_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("tenant_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "delivery" ADD CONSTRAINT "delivery_event_id_event_event_id_fk" FOREIGN KEY ("event_id") REFERENCES "event"("event_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "delivery" ADD CONSTRAINT "delivery_endpoint_id_endpoint_endpoint_id_fk" FOREIGN KEY ("endpoint_id") REFERENCES "endpoint"("endpoint_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "delivery_attempt" ADD CONSTRAINT "delivery_attempt_event_id_endpoint_id_delivery_event_id_endpoint_id_fk" FOREIGN KEY ("event_id","endpoint_id") REFERENCES "delivery"("event_id","endpoint_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "endpoint" ADD CONSTRAINT "endpoint_tenant_id_tenant_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("tenant_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "batch_token" ON "batch" USING btree ("token");--> statement-breakpoint
CREATE INDEX "batch_by_tenant" ON "batch" USING btree ("tenant_id","created_at");--> statement-breakpoint
CREATE INDEX "batch_unfinished" ON "batch" USING btree ("batch_id") WHERE status in ('pending', 'processing');--> statement-breakpoint
CREATE INDEX "delivery_pending" ON "delivery" USING btree ("next_at") WHERE state = 'pending';--> statement-breakpoint
CREATE INDEX "endpoint_by_batch" ON "endpoint" USING btree ("batch_id");--> statement-breakpoint
CREATE UNIQUE INDEX "event_once" ON "event" USING btree ("batch_id","run","type");--> statement-breakpoint
CREATE UNIQUE INDEX "event_sequence" ON "event" USING btree ("batch_id","sequence");--> statement-breakpoint
CREATE INDEX "image_first_of_url" ON "image" USING btree ("batch_id",hashtextextended(url, 0)) WHERE same_as is null;--> statement-breakpoint
CREATE INDEX "image_repeats" ON "image" USING btree ("batch_id","same_as") WHERE same_as is not null;--> statement-breakpoint
CREATE INDEX "image_unsettled" ON "image" USING btree ("batch_id","ordinal") WHERE state = 'planned';--> statement-breakpoint
CREATE UNIQUE INDEX "output_file_name" ON "output" USING btree ("batch_id","file_name");--> statement-breakpoint
INSERT INTO "tenant" ("tenant_id", "name") VALUES ('00000000-0000-7000-8000-000000000000', 'default');
--> statement-breakpoint
-- A batch's counters change with every settle: with room on its page the new version stays there and no index is touched.
ALTER TABLE "batch" SET (fillfactor = 20);
