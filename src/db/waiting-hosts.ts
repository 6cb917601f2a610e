import { isImageCode, type ImageCode } from "../domain/image/image-code.ts";
import type { Executor } from "./connection/connect.ts";

/** A host that nobody asks for now, because it asked for that or only fails, and for which images of a batch wait. */
export type WaitingHost = { host: string; until: Date; remainingSeconds: number; code: ImageCode };

/** More than a batch has queued, beside which held ones can lie. The query is asked each time that somebody looks at a batch. */
const LOOKED_AT_IMAGES = 20_000;
/** As many as the schema has them (contract/batch.ts). */
const WAITING_HOSTS_MAX = 100;

/** Those that are paused the longest first. */
export async function listWaitingHosts(db: Executor, batchId: string): Promise<WaitingHost[]> {
  const { rows } = await db.executeSql(WAITING, [batchId]);
  return rows.map((row) => {
    const code = row["reason"];
    return {
      host: String(row["host"]),
      until: row["until"] as Date,
      remainingSeconds: Number(row["remaining"]),
      code: isImageCode(code) ? code : "connect_failed",
    };
  });
}

/** Nothing but the small table of pauses is read where no host is paused. The key of a pause is that of domain/load/asker.ts. */
const WAITING = `
  select i.host, p.reason, p.paused_until as until, extract(epoch from p.paused_until - now())::float8 as remaining
  from batch b
  cross join lateral (
    select ' ' || left(encode(sha256(convert_to((b.source_headers::jsonb - 'sealed')::text, 'UTF8')), 'hex'), 16) as mark
  ) m
  cross join lateral (
    select distinct host from (
      select host from image where batch_id = $1 and state = 'planned' and same_as is null order by ordinal limit ${LOOKED_AT_IMAGES}
    ) planned
  ) i
  join host_pause p on p.paused_until > now() and p.host = case when b.source_headers::jsonb->'hosts' ? i.host then i.host || m.mark else i.host end
  where b.batch_id = $1 and b.status in ('pending', 'processing') and exists (select 1 from host_pause where paused_until > now())
  order by p.paused_until desc, i.host limit ${WAITING_HOSTS_MAX}`;
