/** Passed on the command line, so that a cluster made by an older Pressrun gets what this one needs. */
export function serverSettings(port: number): string[] {
  const settings: Record<string, string> = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    // Durability stays on (fsync, synchronous_commit, full_page_writes): what we acknowledge must survive a power cut.
    max_connections: "100",
    // A queue lives in memory; more than this gains nothing on a laptop.
    shared_buffers: "256MB",
    // Checkpoints by time and not by volume while a million rows are loaded.
    max_wal_size: "2GB",
    min_wal_size: "128MB",
    wal_compression: "on",
    checkpoint_timeout: "10min",
    // Job rows live for seconds: dead ones must go soon, or every fetch wades through them.
    autovacuum_naptime: "15s",
    autovacuum_vacuum_cost_delay: "0",
    // Queries are short: compiling them costs more than running them.
    jit: "off",
    // A week of logs, each day's file begun anew: they cannot grow for ever.
    logging_collector: "on",
    log_directory: "log",
    log_filename: "postgresql-%a.log",
    log_truncate_on_rotation: "on",
    log_rotation_age: "1d",
    log_rotation_size: "0",
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}
