ALTER TABLE "batch" ADD COLUMN "budget_settled" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "batch" ADD COLUMN "budget_failed" integer DEFAULT 0 NOT NULL;