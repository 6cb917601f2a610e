-- More of a batch are queued, so that its end is known early enough (docs/adr/0011-fetching-ahead.md).
COMMENT ON COLUMN "report"."backlog"."images_unplanned" IS 'Not yet planned: at most 8,000 images of a batch are queued at a time.';
