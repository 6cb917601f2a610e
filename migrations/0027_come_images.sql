-- What has come counts as tried (docs/adr/0009-host-shares.md). A process of the version before tells nothing of it, and counts as it did.
ALTER TABLE "batch" ADD COLUMN IF NOT EXISTS "budget_failed_late" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "batch" ADD COLUMN IF NOT EXISTS "budget_come" jsonb DEFAULT '{}'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "host_share" ADD COLUMN IF NOT EXISTS "failed_late" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "host_share" ADD COLUMN IF NOT EXISTS "come" jsonb DEFAULT '{}'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "host_share" ADD COLUMN IF NOT EXISTS "resumed_in" integer DEFAULT 0 NOT NULL;
