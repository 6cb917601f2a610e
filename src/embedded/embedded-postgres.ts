import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findBinaries, type Binaries } from "./binaries.ts";
import { DATABASE, ensureCluster, ensureDatabase, readPassword, SUPERUSER } from "./cluster.ts";
import { inUse, LOCK_LOOKS, LOCK_TAKEN, lockCluster } from "./cluster-lock.ts";
import { findPostmaster, isAlive, type Postmaster } from "./postmaster.ts";
import { serverEnvironment } from "./server-environment.ts";
import { chooseServerUser, type ServerUser } from "./server-user.ts";
import { serverSettings } from "./settings.ts";
import { watchServer, type ServerWatch } from "./watch-server.ts";

export type EmbeddedPostgres = {
  /** A connection string for clients and for psql. */
  url: string;
  port: number;
  /** True where the server was running already, another's or left by a process that was killed. */
  adopted: boolean;
  /** Starts it again wherever it is gone, until it is stopped or left: for its owner, since any other would start what the owner has stopped. */
  keepRunning(): void;
  /** Stops the server and waits until it is gone. */
  stop(): Promise<void>;
  /** Lets it run on, for the process that uses it as well. */
  leave(): Promise<void>;
  /** Has it stop by itself, where this process ends at once. */
  abandon(): void;
};

type Options = {
  /** Holds the cluster, in its folder `postgres`. */
  dataDir: string;
  /** Where it is in use, another free one is taken, and preferred from then on. */
  port: number;
  log(message: string): void;
};

/** Enough for the recovery after a crash, which replays at most max_wal_size. */
const START_MS = 120_000;
const STOP_MS = 20_000;

/**
 * Starts the PostgreSQL of a data folder, or adopts the one that runs there.
 * It is detached from the terminal, so that Ctrl-C reaches us first and the database goes last.
 */
export async function startEmbeddedPostgres(options: Options): Promise<EmbeddedPostgres> {
  const clusterDir = join(resolve(options.dataDir), "postgres");
  const urlOptions = forgetOtherServers();
  const binaries = await findBinaries();
  await mkdir(dirname(clusterDir), { recursive: true });
  const user = await chooseServerUser(clusterDir, binaries);
  await ensureCluster(clusterDir, binaries, user);
  const password = await readPassword(clusterDir, binaries);

  const found = findPostmaster(clusterDir);
  const port = found?.port ?? (await choosePort(clusterDir, options.port));
  const launch = () => ensureRunning({ clusterDir, binaries, user, port });
  const { postmaster, isStarted } = await launch();

  let watch: ServerWatch | undefined;
  const url = `postgres://${SUPERUSER}:${encodeURIComponent(password)}@127.0.0.1:${postmaster.port}/${DATABASE}${urlOptions}`;
  return {
    url,
    port: postmaster.port,
    adopted: !isStarted,
    keepRunning() {
      watch ??= watchServer({ postmaster, clusterDir, launch, log: options.log });
    },
    async leave() {
      await watch?.end();
    },
    abandon() {
      void watch?.end();
      try {
        process.kill(watch?.pid() ?? postmaster.pid, "SIGINT");
      } catch {
        // It has ended, or is another user's.
      }
    },
    async stop() {
      await watch?.end();
      const running = findPostmaster(clusterDir);
      if (running) await stopPostmaster(running.pid);
    },
  };
}

/**
 * The PG* variables of the environment say how somebody reaches another server, and to pg fill in what our URL does not say: with PGOPTIONS
 * our sessions would have other settings. They are taken from this process, and so from what it starts. A psql that is given the URL has
 * them still, and with PGSSLMODE=require would get no connection: the URL answers that one.
 */
function forgetOtherServers(): string {
  const isTlsAsked = process.env["PGSSLMODE"] !== undefined;
  for (const name of Object.keys(process.env)) if (name.startsWith("PG") && name !== "PGSSLMODE") delete process.env[name];
  return isTlsAsked ? "?sslmode=disable" : "";
}

const PORT_FILE = "pressrun.port";

type Launch = { clusterDir: string; binaries: Binaries; user: ServerUser; port: number };

/**
 * Resolves with a server that takes connections: the one that we start, or that of a process that was faster. Throws DataDirInUse
 * where there is one that we cannot see. Whoever does not wait for it (a second Ctrl-C) takes along what was started until then: nobody
 * else knows of it yet.
 */
async function ensureRunning(launch: Launch): Promise<{ postmaster: Postmaster; isStarted: boolean }> {
  let child: ChildProcess | undefined;
  const endChild = () => void child?.kill("SIGINT");
  process.once("exit", endChild);
  try {
    return await findOrStart(launch, (started) => (child = started));
  } finally {
    process.off("exit", endChild);
  }
}

async function findOrStart(
  { clusterDir, binaries, user, port }: Launch,
  onSpawn: (child: ChildProcess) => void,
): Promise<{ postmaster: Postmaster; isStarted: boolean }> {
  const deadline = performance.now() + START_MS;
  let exit: string | null = null;
  let isStarted = false;
  let timesTaken = 0;
  const onExit: OnExit = (code, how) => {
    // Another took the lock just before us: its server is found by and by, or is where we cannot see it.
    if (code === LOCK_TAKEN) isStarted = false;
    else exit = how;
  };
  while (performance.now() < deadline) {
    const postmaster = findPostmaster(clusterDir);
    if (postmaster?.isReady) {
      await writeFile(join(clusterDir, PORT_FILE), String(postmaster.port)).catch(() => {});
      return { postmaster, isStarted };
    }
    if (postmaster === null && exit !== null) {
      // What collects its logs writes a moment longer, and has the lock until then.
      await lockCluster(clusterDir, user);
      throw new Error(`The embedded PostgreSQL did not start: ${exit}: ${readWhy(clusterDir)}`);
    }
    // One that is stopping still is waited for first.
    if (postmaster === null && !isStarted) {
      const wrap = await lockCluster(clusterDir, user);
      if (wrap === null && (timesTaken += 1) === LOCK_LOOKS) throw inUse(clusterDir);
      if (wrap !== null) await ensureDatabase(clusterDir, binaries, { wrap });
      if (wrap !== null) onSpawn(spawnPostmaster({ clusterDir, binaries, wrap, port }, onExit));
      isStarted = wrap !== null;
    }
    await delay(20);
  }
  throw new Error(
    `The embedded PostgreSQL in ${clusterDir} was not ready within ${START_MS / 1_000} s; its log lies in ${join(clusterDir, "log")}.`,
  );
}

/** With the exit code, where it has one, and how it ended, in words. */
type OnExit = (code: number | null, how: string) => void;
type Spawn = Omit<Launch, "user"> & Pick<ServerUser, "wrap">;

function spawnPostmaster({ clusterDir, binaries, wrap, port }: Spawn, onExit: OnExit): ChildProcess {
  const { command, args } = wrap(binaries.postgres, ["-D", clusterDir, ...serverSettings(port)]);
  const log = openSync(join(clusterDir, STARTUP_LOG), "w");
  try {
    const child = spawn(command, args, { env: serverEnvironment(), detached: true, stdio: ["ignore", log, log], cwd: "/" });
    child.once("error", (error) => onExit(null, error.message));
    child.once("exit", (code, signal) => onExit(code, `it ended with ${signal ?? code}`));
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

const STARTUP_LOG = "startup.log";

/** What the server said at its start: in a file of its own, and from where that says so in the newest of its logs. */
function readWhy(clusterDir: string): string {
  const [startup, folder] = [join(clusterDir, STARTUP_LOG), join(clusterDir, "log")];
  const said = readTail(startup);
  if (!said.includes("logging collector")) return said;
  const newest = readdirSync(folder)
    .map((name) => join(folder, name))
    .toSorted((one, other) => statSync(other).mtimeMs - statSync(one).mtimeMs)[0];
  return newest === undefined ? said : `${said}\n${readTail(newest)}`;
}

function readTail(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8").slice(-600).trim() : "";
}

/** By a fast shutdown, which ends sessions and writes everything; where that takes too long, by an immediate one, which loses nothing either. */
async function stopPostmaster(pid: number): Promise<void> {
  for (const signal of ["SIGINT", "SIGQUIT", "SIGKILL"] as const) {
    const deadline = performance.now() + STOP_MS;
    if (isAlive(pid)) process.kill(pid, signal);
    while (performance.now() < deadline) {
      if (!isAlive(pid)) return;
      await delay(20);
    }
  }
}

async function choosePort(clusterDir: string, preferred: number): Promise<number> {
  const remembered = Number(await readFile(join(clusterDir, PORT_FILE), "utf8").catch(() => "0"));
  for (const candidate of [remembered, preferred]) if (candidate > 0 && (await isFree(candidate))) return candidate;
  return freePort(0);
}

async function isFree(port: number): Promise<boolean> {
  return freePort(port).then(
    () => true,
    () => false,
  );
}

function freePort(port: number): Promise<number> {
  return new Promise((resolvePort, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolvePort(typeof address === "object" && address ? address.port : port));
    });
  });
}
