-- Of a kept output nothing was compressed, and a PNG of quality 100 loses nothing (src/db/list-products.ts says the same in the API).
-- A repeat has no outputs of its own, so that sums count nothing twice, as in report.images.
CREATE OR REPLACE VIEW "report"."outputs" AS
select o.batch_id, b.tenant_id, b.created_at as batch_created_at, o.ordinal, o.name as output_name, o.file_name, o.format,
  o.width as width_pixels, o.height as height_pixels, o.bytes as output_bytes,
  case when not o.is_kept and not (o.format = 'png' and o.quality = 100) then o.quality end::integer as quality, o.is_kept, i.is_reused,
  case when not i.is_reused then o.encode_ms * 0.001 end as encode_seconds, i.finished_at
from output o
join batch b on b.batch_id = o.batch_id
join image i on i.batch_id = o.batch_id and i.ordinal = o.ordinal;--> statement-breakpoint
COMMENT ON VIEW "report"."outputs" IS 'One row for each output: a file that was made of an image, or linked to what an earlier batch had made. A repeat has none of its own; its repeat_of_ordinal in report.images is the ordinal of those that it shows.';--> statement-breakpoint
COMMENT ON COLUMN "report"."outputs"."batch_id" IS 'The batch.';
COMMENT ON COLUMN "report"."outputs"."tenant_id" IS 'Whose batch it is; there is one tenant today.';
COMMENT ON COLUMN "report"."outputs"."batch_created_at" IS 'When the batch was uploaded.';
COMMENT ON COLUMN "report"."outputs"."ordinal" IS 'The image within the batch, as in report.images.';
COMMENT ON COLUMN "report"."outputs"."output_name" IS 'Its name in the recipe, main where that names none; the key within the image.';
COMMENT ON COLUMN "report"."outputs"."file_name" IS 'What the file is called; no other of the batch is.';
COMMENT ON COLUMN "report"."outputs"."format" IS 'The file''s format: jpeg, webp, avif or png, also where the recipe says auto.';
COMMENT ON COLUMN "report"."outputs"."width_pixels" IS 'Its width.';
COMMENT ON COLUMN "report"."outputs"."height_pixels" IS 'Its height.';
COMMENT ON COLUMN "report"."outputs"."output_bytes" IS 'Its size.';
COMMENT ON COLUMN "report"."outputs"."quality" IS 'The quality that it was compressed with, 1 to 100; null where it is kept or lossless (a PNG of quality 100).';
COMMENT ON COLUMN "report"."outputs"."is_kept" IS 'Whether it is the input itself without its metadata, since nothing smaller could be made of it.';
COMMENT ON COLUMN "report"."outputs"."is_reused" IS 'Whether it is linked to what an earlier batch had made, since nothing had changed.';
COMMENT ON COLUMN "report"."outputs"."encode_seconds" IS 'How long an encoder took for it. What several outputs share, such as decoding once for all, is in encode_seconds of report.images only. Null where it is reused.';
COMMENT ON COLUMN "report"."outputs"."finished_at" IS 'When its image was settled.';
