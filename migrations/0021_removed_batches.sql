-- What removes the tables of an earlier version to bring a dump back leaves this one; what was being removed then is there again.
CREATE TABLE IF NOT EXISTS "removed_batch" (
	"batch_id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" uuid NOT NULL,
	"recipe" jsonb NOT NULL,
	"removed_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
DELETE FROM "removed_batch";--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "delivery_by_endpoint" ON "delivery" USING btree ("endpoint_id");--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "idempotency_key_by_batch" ON "idempotency_key" USING btree ("batch_id");
