CREATE TABLE "removed_batch" (
	"batch_id" uuid PRIMARY KEY NOT NULL,
	"tenant_id" uuid NOT NULL,
	"recipe" jsonb NOT NULL,
	"removed_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "removed_batch" ADD CONSTRAINT "removed_batch_tenant_id_tenant_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("tenant_id") ON DELETE no action ON UPDATE no action;