CREATE TABLE "upload_key" (
	"tenant_id" uuid NOT NULL,
	"key" text NOT NULL,
	"digest" text NOT NULL,
	"batch_id" uuid NOT NULL,
	"warnings" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "upload_key_tenant_id_key_pk" PRIMARY KEY("tenant_id","key"),
	CONSTRAINT "upload_key_digest" CHECK (length(digest) = 64)
);
--> statement-breakpoint
ALTER TABLE "upload_key" ADD CONSTRAINT "upload_key_tenant_id_tenant_tenant_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenant"("tenant_id") ON DELETE no action ON UPDATE no action;