COMMENT ON VIEW "report"."delivery_attempts" IS 'One row for each attempt to send an event to an endpoint.';--> statement-breakpoint
COMMENT ON COLUMN "report"."deliveries"."attempts" IS 'How many attempts there were. One counts as well where nothing could be sent, since the worker has no key to sign or open it with.';
COMMENT ON COLUMN "report"."delivery_attempts"."duration_seconds" IS 'How long the receiver took; 0 where nothing could be sent.';
