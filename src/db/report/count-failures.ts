import type { ImageCode } from "../../domain/image/image-code.ts";
import type { Executor } from "../connection/connect.ts";

/** How many images of a batch failed for one reason; `url` and `detail` are those of the first in the file. */
export type FailureCount = { code: ImageCode; images: number; url: string; detail: string };

/** Why images of a batch failed, the most frequent reason first. It reads all images of the batch, too much for every request. */
export async function countFailures(db: Executor, batchId: string): Promise<FailureCount[]> {
  const { rows } = await db.executeSql(COUNT, [batchId]);
  return rows as FailureCount[];
}

const COUNT = `
  select f.code, f.images, i.url, coalesce(i.detail, '') as detail
  from (select coalesce(code, 'cancelled') as code, count(*)::int as images, min(ordinal) as ordinal
        from image where batch_id = $1 and state in ('failed', 'cancelled') group by 1) f
  join image i on i.batch_id = $1 and i.ordinal = f.ordinal
  order by f.images desc, f.code`;
