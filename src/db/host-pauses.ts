import {
  ASKED_STRIKE_MS,
  CONFIRMED_PAUSE_MS,
  STRIKES_MAX,
  LONGEST_PAUSE_MS,
  PAUSE_FRESH_MS,
  STRIKE_PAUSE_MS,
  STRIKE_PAUSE_MS_MAX,
} from "../domain/load/host-pause.ts";
import { isImageCode, type ImageCode } from "../domain/image/image-code.ts";
import type { Executor } from "./connection/connect.ts";

/** On it every process of the fleet hears of host pauses as they begin, and of hosts that answer again. */
export const HOSTS_CHANNEL = "pressrun_hosts";

/**
 * `host` is the key of domain/load/asker.ts, here and below. `remainingMs` is by the database's clock, so that the clocks of machines need not agree.
 * `isAsked`: the host itself asked for this pause.
 */
export type HostPause = { host: string; remainingMs: number; reason: ImageCode; strikes: number; isAsked: boolean };
/** That something has changed about a host. What has is read from the table. `isOver`: its pause. */
type HostNews = { host: string; isOver: boolean };

/** The pauses that are still fresh (PAUSE_FRESH_MS). Deletes those that ended more than a day ago. */
export async function listHostPauses(db: Executor): Promise<HostPause[]> {
  const { rows } = await db.executeSql(
    `with swept as (delete from host_pause where paused_until < now() - interval '1 day')
     select ${PAUSE} from host_pause where paused_until > now() - $1 * interval '1 ms'`,
    [PAUSE_FRESH_MS],
  );
  return rows.map(toPause);
}

/** For a host that asks for a pause. Adds a strike where it has done nothing else for ASKED_STRIKE_MS. */
export async function pauseHost(db: Executor, pause: { host: string; pauseMs: number; reason: ImageCode }): Promise<void> {
  await db.executeSql(
    `with changed as (
       insert into host_pause as p (host, paused_until, asked_until, reason) values ($1, ${ASKED_UNTIL}, ${ASKED_UNTIL}, $3)
       on conflict (host) do update set paused_until = greatest(p.paused_until, excluded.paused_until),
         asked_until = greatest(p.asked_until, excluded.asked_until), reason = excluded.reason,
         strikes = case when ${STALE} then 0 when ${ASKS_STILL} then p.strikes + 1 else p.strikes end,
         updated_at = case when ${STALE} or ${ASKS_STILL} then now() else p.updated_at end
       returning *
     ) ${NOTIFY}`,
    [pause.host, pause.pauseMs, pause.reason, HOSTS_CHANNEL],
  );
}

/**
 * For a host that only fails, as nextStrike has it. A pause that is on is not made longer, so that processes that saw the same failures count
 * them once. `isConfirmed`: the trial after a pause met what the host was paused for, and no waiting mends it.
 */
export async function strikeHost(db: Executor, strike: { host: string; reason: ImageCode; isConfirmed?: boolean }): Promise<void> {
  await db.executeSql(
    `with changed as (
       insert into host_pause as p (host, paused_until, reason, strikes) values ($1, now() + $2 * interval '1 ms', $3, 1)
       on conflict (host) do update set reason = excluded.reason, updated_at = now(),
         strikes = case when ${STALE} then 1 when ${CONFIRMED} then greatest(p.strikes + 1, ${STRIKES_MAX}) else p.strikes + 1 end,
         paused_until = now() + case when ${STALE} then $2 when ${CONFIRMED} then ${CONFIRMED_PAUSE_MS}
           else least($2 * 2 ^ least(p.strikes, 20), $5) end * interval '1 ms'
       where p.paused_until <= now()
       returning *
     ) ${NOTIFY}`,
    [strike.host, STRIKE_PAUSE_MS, strike.reason, HOSTS_CHANNEL, STRIKE_PAUSE_MS_MAX, strike.isConfirmed === true],
  );
}

/** For a host that has answered after its pause, or in one in which each batch tries it (triesEachBatch). */
export async function clearHostPause(db: Executor, host: string): Promise<void> {
  await db.executeSql(
    `with cleared as (delete from host_pause where host = $1 and (paused_until <= now() or (strikes >= ${STRIKES_MAX} and not ${IS_ASKED})) returning host)
     select pg_notify($2, json_build_object('host', host, 'isOver', true)::text) from cleared`,
    [host, HOSTS_CHANNEL],
  );
}

/** Null for any other payload, which whoever reaches the database can send. */
export function parseHostNews(payload: string): HostNews | null {
  try {
    const { host, isOver } = JSON.parse(payload) as Record<string, unknown>;
    return typeof host === "string" ? { host, isOver: isOver === true } : null;
  } catch {
    return null;
  }
}

/**
 * A strike leaves asked_until where it is, behind its own pause, and so does a process of the version that does not know it, whose pauses for a
 * 429 are told by their reason.
 */
const IS_ASKED = `(reason = 'rate_limited' or coalesce(asked_until >= paused_until, false))`;
const ASKED_UNTIL = `now() + $2 * interval '1 ms'`;
/** No more than a pause can have left: a process keeps what it was told, and the database's clock may have been set back (set-back-clock.ts). */
const PAUSE = `host, reason, strikes, ${IS_ASKED} as "isAsked", least(extract(epoch from paused_until - now()) * 1000, ${LONGEST_PAUSE_MS})::float8 as "remainingMs"`;
const NOTIFY = `select pg_notify($4, row_to_json(news)::text) from (select ${PAUSE} from changed) news`;
const STALE = `p.paused_until < now() - ${PAUSE_FRESH_MS} * interval '1 ms'`;
const CONFIRMED = `$6::boolean and p.strikes > 0 and p.reason = excluded.reason`;
const ASKS_STILL = `p.updated_at < now() - ${ASKED_STRIKE_MS} * interval '1 ms'`;

function toPause(row: Record<string, unknown>): HostPause {
  const reason = row["reason"];
  return {
    host: String(row["host"]),
    remainingMs: Number(row["remainingMs"]),
    reason: isImageCode(reason) ? reason : "connect_failed",
    strikes: Number(row["strikes"]),
    isAsked: row["isAsked"] === true,
  };
}
