import { accessSync, constants } from "node:fs";

const MB = 1024 * 1024;

/**
 * Passed on the command line, so that a cluster made by an older Pressrun gets what this one needs. Durability stays on (fsync,
 * synchronous_commit, full_page_writes): what we acknowledge must survive a power cut.
 */
export function serverSettings(port: number): string[] {
  const settings: Record<string, string> = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    // Eight processes on this server: each takes up to 25.
    max_connections: "200",
    shared_buffers: `${sharedBuffersMb()}MB`,
    // By default it is POSIX's, which lies there; a cluster that was made where there is one must start where there is none.
    ...(isShmWritable() ? {} : { dynamic_shared_memory_type: "mmap" }),
    // So large that checkpoints come by time and not by volume while a million rows are loaded.
    max_wal_size: "2GB",
    min_wal_size: "128MB",
    wal_compression: "on",
    checkpoint_timeout: "10min",
    // Job rows live for seconds: dead ones must be cleared away soon, or every fetch reads past them.
    autovacuum_naptime: "15s",
    autovacuum_vacuum_cost_delay: "0",
    // Queries are short: compiling them costs more than running them.
    jit: "off",
    // A log file for each day of the week, begun anew each time, so that they cannot grow for ever.
    logging_collector: "on",
    log_directory: "log",
    log_filename: "postgresql-%a.log",
    log_truncate_on_rotation: "on",
    log_rotation_age: "1d",
    log_rotation_size: "0",
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

/**
 * A queue fits in 256, and more gains nothing on a laptop. In a small container an eighth of its memory: what the server has touched once is
 * never given back.
 */
function sharedBuffersMb(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.max(16, Math.min(256, Math.floor(limit / 8 / MB))) : 256;
}

/** Only Linux has this folder; elsewhere what initdb chose stays. */
function isShmWritable(): boolean {
  if (process.platform !== "linux") return true;
  try {
    accessSync("/dev/shm", constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
