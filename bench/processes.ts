import { readFileSync } from "node:fs";
import { isEncoderOf, listProcesses, type Process } from "../test/support/processes.ts";

/** CPU time in ms, by what it went into. */
export type Cpu = { service: number; encoders: number; database: number };

/** CPU time of the service, its encoders and its PostgreSQL until now; of what it has started and has ended, encoders count. */
export function cpuOf(pid: number, dataDir: string): Cpu {
  const all = listProcesses();
  const service = all.find((one) => one.pid === pid);
  const encoders = all.filter((one) => isEncoderOf(pid, one));
  return {
    service: service?.ownMs ?? 0,
    encoders: sum(encoders, ({ ownMs, endedMs }) => ownMs + endedMs) + (service?.endedMs ?? 0),
    database: databaseMs(all, dataDir),
  };
}

export function databaseCpuMs(dataDir: string): number {
  return databaseMs(listProcesses(), dataDir);
}

/** What it took for each of so many images. */
export function cpuBetween(before: Cpu, after: Cpu, images: number): Cpu & { all: number } {
  const [service, encoders, database] = [
    after.service - before.service,
    after.encoders - before.encoders,
    after.database - before.database,
  ];
  return {
    service: service / images,
    encoders: encoders / images,
    database: database / images,
    all: (service + encoders + database) / images,
  };
}

export function describeCpu({ service, encoders, database }: Cpu): string {
  return `service ${service.toFixed(2)}, encoders ${encoders.toFixed(2)}, PostgreSQL ${database.toFixed(2)}`;
}

export function residentMb(pid: number): number {
  const [, kb] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kb ?? 0) / 1024;
}

/** Its processes name the data folder. The first is a child of the service, and the parent of the others. */
function databaseMs(all: readonly Process[], dataDir: string): number {
  const first = all.find(({ command }) => command.includes(`${dataDir}/postgres`) && command.includes("listen_addresses"))?.pid ?? -1;
  return sum(
    all.filter(({ pid, parent }) => pid === first || parent === first),
    ({ ownMs, endedMs }) => ownMs + endedMs,
  );
}

function sum(all: readonly Process[], msOf: (one: Process) => number): number {
  return all.reduce((total, one) => total + msOf(one), 0);
}
