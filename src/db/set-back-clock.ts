import { LONGEST_PAUSE_MS } from "../domain/load/host-pause.ts";
import type { Tx } from "./connection/connect.ts";

/** How many jobs and pauses of hosts were from a time that the clock has yet to reach again, and by how much it was set back. */
export type SetBack = { jobs: number; hosts: number; bySeconds: number };

/** By a clock that only goes forward, no row is written so far ahead of the now() of a transaction that has just begun. */
const AHEAD = "interval '1 minute'";
/** The most in a pass: more than a fleet works until the next. */
const JOBS_MAX = 50_000;

/**
 * Where the database's clock was set back, what was written before would wait until it is as late again, for hours: waiting jobs, the
 * claims of dead workers, hosts' pauses, and pg-boss's own looks. Has all of that wait from now on. Null where there is nothing of
 * the kind.
 */
export async function followSetBackClock(tx: Tx): Promise<SetBack | null> {
  const { rows } = await tx.client.query<SetBack>(MEND, [JOBS_MAX]);
  await tx.client.query(LOOKS);
  return rows.find(({ jobs, hosts }) => jobs + hosts > 0) ?? null;
}

const PAUSE_AHEAD = `greatest(updated_at, paused_until - ${LONGEST_PAUSE_MS} * interval '1 ms') - now()`;

/**
 * A job that was never claimed waits its whole delay from now on; one that comes back after a failure, whose delay is at most a minute,
 * no more. The heartbeats of whoever is alive come by the new clock within seconds; the others lapse from now on. What fences a
 * claim, `started_on`, stays as it is. Rows that somebody has locked are being claimed, kept alive or settled at this moment.
 *
 * How much of a pause was left cannot be told any more: it ends, and a host that still fails gets the next.
 */
const MEND = `
  with ahead as (
    select name, id, greatest(created_on, heartbeat_on, case state when 'retry' then start_after end) - now() as by from pgboss.job
    where name in ('plan', 'image', 'finish', 'deliver') and state in ('created', 'retry', 'active')
      and (created_on > now() + ${AHEAD} or heartbeat_on > now() + ${AHEAD}
        or (state = 'retry' and start_after > now() + coalesce(retry_delay_max, 0) * interval '1 s' + ${AHEAD}))
    limit $1 for update skip locked
  ), mended as (
    update pgboss.job j set created_on = least(j.created_on, now()),
      start_after = case j.state when 'created' then j.start_after - (j.created_on - now()) when 'retry' then least(j.start_after, now()) else j.start_after end,
      heartbeat_on = case when j.heartbeat_on > now() then now() else j.heartbeat_on end
    from ahead where j.name = ahead.name and j.id = ahead.id
    returning ahead.by
  ), paused as (
    select host, ${PAUSE_AHEAD} as by from host_pause where ${PAUSE_AHEAD} > ${AHEAD} for update skip locked
  ), ended as (
    update host_pause p set paused_until = least(p.paused_until, now()), asked_until = least(p.asked_until, now()), updated_at = least(p.updated_at, now())
    from paused where p.host = paused.host
    returning paused.by
  )
  select (select count(*)::int from mended) as jobs, (select count(*)::int from ended) as hosts,
    (select round(extract(epoch from max(by)))::int from (select by from mended union all select by from ended) found) as "bySeconds"`;

/** Until these times pg-boss would hand out no lapsed claim again, and delete nothing. */
const LOOKS = `
  update pgboss.queue set monitor_claim_on = least(monitor_claim_on, now()), monitor_on = least(monitor_on, now()), maintain_on = least(maintain_on, now())
  where greatest(monitor_claim_on, monitor_on, maintain_on) > now() + ${AHEAD}`;
