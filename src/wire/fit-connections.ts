import type { Config } from "../config.ts";
import type { Log } from "../observe/log.ts";

/** As many statements at once as keep a server of some cores busy. */
const POOL_MAX = 16;
/** Below, requests, claims and heartbeats would wait for each other: what is lacking then is told as it is met. */
const POOL_MIN = 4;

/** Each large file that is being loaded takes a thread, some 100 MB and a connection of its own. */
export const LOADS_AT_ONCE = 3;
/** Each holds a connection and a snapshot of the database until it is read. */
export const REPORTS_AT_ONCE = 4;

/** Besides the pool: one says where the files lie; who works has one to listen. */
const BESIDES = { worker: 2, api: 1 + LOADS_AT_ONCE + REPORTS_AT_ONCE, all: 2 + LOADS_AT_ONCE + REPORTS_AT_ONCE };

/**
 * How many connections the pool may have: as many as `connectionsMax` leaves it. Who waits for one of the pool gets it in its turn; a
 * connection that the server refuses is a 503. How many of them other processes take is not known here.
 */
export function fitPool({ role }: Pick<Config, "role">, connectionsMax: number, log: Pick<Log, "warn">): number {
  const needed = POOL_MAX + BESIDES[role];
  if (connectionsMax >= needed) return POOL_MAX;
  const pool = Math.max(POOL_MIN, connectionsMax - BESIDES[role]);
  log.warn({ pool, connectionsMax, needed }, "the database allows fewer connections than this process may need");
  return pool;
}
