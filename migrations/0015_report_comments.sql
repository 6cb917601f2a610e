COMMENT ON COLUMN "report"."batches"."run" IS 'Always 1 for now. A later version may try failed images again; that will be run 2.';--> statement-breakpoint
COMMENT ON COLUMN "report"."batches"."images_skipped" IS 'Images that were never tried, or not to an end, because the batch was cancelled.';--> statement-breakpoint
COMMENT ON COLUMN "report"."products"."images_skipped" IS 'Of them never tried, or not to an end, because the batch was cancelled.';--> statement-breakpoint
COMMENT ON COLUMN "report"."backlog"."images_unplanned" IS 'Not yet planned: at most 4,000 images of a batch are queued at a time.';
