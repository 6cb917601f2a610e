ALTER TABLE "delivery" ADD COLUMN "own_body" text;--> statement-breakpoint
ALTER TABLE "endpoint" ADD COLUMN "sealed_authorization" text;--> statement-breakpoint
ALTER TABLE "endpoint" ADD COLUMN "payload" text DEFAULT 'event' NOT NULL;--> statement-breakpoint
ALTER TABLE "endpoint" ADD CONSTRAINT "endpoint_payload" CHECK (payload in ('event', 'seed'));