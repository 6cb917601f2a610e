CREATE TABLE "idempotency_key" (
	"tenant_id" uuid NOT NULL,
	"name" text NOT NULL,
	"digest" text NOT NULL,
	"batch_id" uuid NOT NULL,
	"warnings" jsonb NOT NULL,
	"told_secret" boolean NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "idempotency_key_tenant_id_name_pk" PRIMARY KEY("tenant_id","name"),
	CONSTRAINT "idempotency_key_digest" CHECK (length(digest) = 64)
);
--> statement-breakpoint
ALTER TABLE "idempotency_key" ADD CONSTRAINT "idempotency_key_tenant_id_tenant_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("tenant_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "idempotency_key" ADD CONSTRAINT "idempotency_key_batch_id_batch_batch_id_fk" FOREIGN KEY ("batch_id") REFERENCES "batch"("batch_id") ON DELETE cascade ON UPDATE no action;