import { appendFile } from "node:fs/promises";
import { Session, type Profiler } from "node:inspector/promises";
import { join } from "node:path";
import type { Executor } from "../src/db/connection/connect.ts";

const ROOT = new URL("..", import.meta.url).href;

export type Share = { name: string; ms: number };

/** Runs work under V8's profiler: the main thread's milliseconds by room of src/ and by package, the most first. */
export async function profileRooms(work: () => Promise<unknown>): Promise<Share[]> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.start");
  await work();
  const { profile } = await session.post("Profiler.stop");
  session.disconnect();
  return byRoom(profile);
}

/** What Node and the kernel do is counted for the room or package that asked for it; the rest is the event loop's own. */
function byRoom({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Share[] {
  const found = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const placeOf = (id: number): string => {
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const { url = "", functionName = "" } = found.get(at)?.callFrame ?? {};
      if (OWN_NAMES.has(functionName)) return OWN_NAMES.get(functionName) ?? "";
      const [, library] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? [];
      const [place] = url.startsWith(ROOT) ? (/^(src\/[^/]+|bench)/.exec(url.slice(ROOT.length)) ?? []) : [];
      if (library ?? place) return library ?? place ?? "";
    }
    return "event loop";
  };
  const sums = new Map<string, number>();
  samples.forEach((id, index) => {
    const place = placeOf(id);
    sums.set(place, (sums.get(place) ?? 0) + (timeDeltas[index] ?? 0) / 1_000);
  });
  sums.delete("");
  return [...sums].map(([name, ms]) => ({ name, ms })).toSorted((one, other) => other.ms - one.ms);
}

/** Names that V8 gives to what is no function; idle time is nobody's. */
const OWN_NAMES = new Map([
  ["(idle)", ""],
  ["(garbage collector)", "garbage collection"],
]);

/** For an embedded PostgreSQL that is not running: it will count its statements, once it is told to. */
export async function prepareStatementTimes(dataDir: string): Promise<void> {
  const settings = [
    "shared_preload_libraries = 'pg_stat_statements'",
    "pg_stat_statements.track = 'none'",
    "pg_stat_statements.track_planning = on",
  ];
  await appendFile(join(dataDir, "postgres", "postgresql.auto.conf"), `${settings.join("\n")}\n`);
}

/** Runs work and says what its statements took, with the time that they waited for each other; the most first. */
export async function timeStatements({ executeSql }: Executor, work: () => Promise<unknown>): Promise<Share[]> {
  await executeSql("create extension if not exists pg_stat_statements");
  await executeSql("alter system set pg_stat_statements.track = 'top'");
  await executeSql("select pg_reload_conf()");
  await executeSql("select pg_stat_statements_reset()");
  await work();
  const { rows } = await executeSql(TIMES);
  return rows.map(({ query, ms }) => ({ name: String(query), ms: Number(ms) }));
}

const TIMES = `select regexp_replace(query, '\\s+', ' ', 'g') as query, total_exec_time + total_plan_time as ms
  from pg_stat_statements where query not like '%pg_stat_statements%' order by 2 desc`;
