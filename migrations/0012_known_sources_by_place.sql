ALTER TABLE "known_source" DROP COLUMN "sha256";--> statement-breakpoint
ALTER TABLE "known_source" DROP COLUMN "etag";--> statement-breakpoint
ALTER TABLE "known_source" DROP COLUMN "last_modified";