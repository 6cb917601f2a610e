-- What removes the tables of an earlier version to bring a dump back leaves this one.
CREATE TABLE IF NOT EXISTS "removed_batch" (
	"batch_id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" uuid NOT NULL CONSTRAINT "removed_batch_tenant_id_tenant_tenant_id_fk" REFERENCES "tenant"("tenant_id"),
	"recipe" jsonb NOT NULL,
	"removed_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "delivery_by_endpoint" ON "delivery" USING btree ("endpoint_id");--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "idempotency_key_by_batch" ON "idempotency_key" USING btree ("batch_id");
