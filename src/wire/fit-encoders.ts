import { readdirSync } from "node:fs";
import type { Config } from "../config.ts";
import type { Log } from "../observe/log.ts";

/** Measured at work, in every format: 4 of V8's, 1 of libuv's, 3 of libvips', and 3 of Node's own. */
const ENCODER_THREADS = 11;
/** Processes of the embedded PostgreSQL with 16 sessions of the pool at work. */
const DATABASE_PROCESSES = 25;

/**
 * How many encoders run: as many as were asked for, or as the limit of processes and threads has room for beside the service's own
 * `threads` and the embedded database. Throws where that is none: the database would lose sessions, and encoders die of sound images.
 */
export function fitEncoders(
  { encoders, databaseUrl }: Pick<Config, "encoders" | "databaseUrl">,
  { threadsMax, threads }: { threadsMax: number; threads: number },
  log: Pick<Log, "warn">,
): number {
  const isEmbedded = databaseUrl === null;
  const besides = threads + (isEmbedded ? DATABASE_PROCESSES : 0);
  const fitting = Math.min(encoders, Math.floor((threadsMax - besides) / ENCODER_THREADS));
  if (fitting < 1)
    throw new Error(
      `Expected a limit of ${besides + ENCODER_THREADS} processes and threads or more, for this process, ${isEmbedded ? "its embedded database " : ""}and one encoder, got ${threadsMax}. ` +
        `Raise it (\`ulimit -u\`, TasksMax= of a service unit, \`docker run --pids-limit\`)${isEmbedded ? ", or set DATABASE_URL to a PostgreSQL elsewhere" : ""}.`,
    );
  if (fitting < encoders)
    log.warn({ encoders: fitting, threadsMax }, "the limit of processes and threads allows fewer encoders than ENCODERS");
  return fitting;
}

/** Says so where one encoder's memory is more than there is: the system then ends it, before an image is refused with what would help. */
export function checkEncoderMemory(
  { encoderMemoryBytes }: Pick<Config, "encoderMemoryBytes">,
  fittingMb: number,
  log: Pick<Log, "warn">,
): void {
  if (encoderMemoryBytes > fittingMb * 1024 * 1024)
    log.warn({ fittingMb }, "there is less memory than one encoder may take beside the rest by ENCODER_MEMORY_MB");
}

/** How many threads this process has. Only Linux tells; else none. */
export function countThreads(): number {
  try {
    return readdirSync("/proc/self/task").length;
  } catch {
    return 0;
  }
}
