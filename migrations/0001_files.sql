ALTER TABLE "batch" ADD COLUMN "metadata" jsonb DEFAULT '{}'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "image" ADD COLUMN "stem" text;--> statement-breakpoint
UPDATE "image" SET "stem" = "slug" || '-' || "position";--> statement-breakpoint
ALTER TABLE "image" ALTER COLUMN "stem" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "image" ADD COLUMN "url_rules" text[];--> statement-breakpoint
ALTER TABLE "image" DROP COLUMN "slug";--> statement-breakpoint
ALTER TABLE "product" ADD COLUMN "first_number" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "product" ADD COLUMN "record" text;--> statement-breakpoint
-- Rows of earlier uploads were kept as cells: they are written as CSV once more, so that batches in progress go on.
CREATE FUNCTION pg_temp.csv_record(cells text[], delimiter text, newline text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT string_agg(CASE WHEN cell ~ '["\r\n]|^\s|\s$' OR position(delimiter IN cell) > 0 THEN '"' || replace(cell, '"', '""') || '"' ELSE cell END, delimiter ORDER BY place) || newline
	FROM unnest(cells) WITH ORDINALITY AS t(cell, place)
$$;--> statement-breakpoint
UPDATE "product" p SET "record" = pg_temp.csv_record(p."cells", b."csv_facts"->>'delimiter', b."csv_facts"->>'newline') FROM "batch" b WHERE b."batch_id" = p."batch_id";--> statement-breakpoint
ALTER TABLE "product" ALTER COLUMN "record" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "product" DROP COLUMN "cells";--> statement-breakpoint
UPDATE "batch" SET "csv_facts" = ("csv_facts" - 'products') || jsonb_build_object(
	'dialect', 'seed', 'baseUrl', null, 'headerLine', 1, 'rows', "products", 'rowsWithoutImage', 0,
	'columns', jsonb_build_object(
		'id', jsonb_build_array("csv_facts"->'columns'->'serial'), 'name', jsonb_build_array("csv_facts"->'columns'->'name'),
		'images', jsonb_build_array(jsonb_build_object('index', "csv_facts"->'columns'->'urls', 'cell', 'list'))),
	'head', pg_temp.csv_record(ARRAY(SELECT jsonb_array_elements_text("csv_facts"->'header')), "csv_facts"->>'delimiter', "csv_facts"->>'newline'));
