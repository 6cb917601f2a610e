import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { endProcess } from "./cli/end-process.ts";
import type { Config } from "./config.ts";
import { listSealedBatches } from "./db/batches.ts";
import { connectDatabase, isDatabaseAway, isDatabaseClosed, isStatementUnknown, type Database } from "./db/connection/connect.ts";
import { readConnectionLimit } from "./db/connection/connection-limit.ts";
import { migrateDatabase } from "./db/connection/migrate.ts";
import { withOwnConnection } from "./db/connection/own-connection.ts";
import { isFolderShared, shareFolder, takeOwnership } from "./db/connection/ownership.ts";
import { watchVersion } from "./db/connection/watch-version.ts";
import { withoutPassword } from "./domain/secret/database-url.ts";
import { openHeaderSeal } from "./wire/header-seal.ts";
import { DataDirInUse } from "./embedded/cluster-lock.ts";
import { startEmbeddedPostgres } from "./embedded/embedded-postgres.ts";
import { startUploadSweep } from "./intake/sweep-uploads.ts";
import { createCalmWarn, type Warn } from "./observe/calm-warn.ts";
import type { Log } from "./observe/log.ts";
import { openQueue } from "./queue/queue.ts";
import { nameFolder } from "./storage/folder-id.ts";
import { makeDataDir } from "./storage/make-folder.ts";
import { createStorage, type Storage } from "./storage/storage.ts";
import { startSweeper } from "./storage/sweeper.ts";
import { fitPool } from "./wire/fit-connections.ts";
import { AT_ONCE, type OnStop, type Parts } from "./wire/parts.ts";
import { wireWorker } from "./wire/worker.ts";

type App = {
  /** Where the API listens; null in a process that only works. */
  url: string | null;
  databaseUrl: string;
  isDatabaseEmbedded: boolean;
  stop(): Promise<void>;
};

const DATABASE_WAIT_MS = 60_000;

/** The service: the API, the work, or both, as ROLE says. */
export async function startApp(config: Config, log: Log, signal: AbortSignal = new AbortController().signal): Promise<App> {
  // A thousand modules, loaded while the database starts, and only where there is an API.
  const api = config.role === "worker" ? null : import("./wire/api.ts");
  // Where it fails it is told below, where what was started by then is stopped.
  api?.catch(() => {});
  return startOn({ config, log, signal }, async (foundation, onStop) => {
    let publicUrl = config.publicUrl ?? `http://127.0.0.1:${config.port}`;
    const parts: Parts = { ...foundation, publicUrl: () => publicUrl };
    // The API listens before anything is worked, so that the URLs in the first result are the right ones.
    const url = api && (await (await api).wireApi(parts, onStop));
    if (config.publicUrl === null && url !== null) publicUrl = url;
    if (config.role !== "api") await wireWorker(parts, onStop);
    return { url, databaseUrl: parts.db.url, isDatabaseEmbedded: config.databaseUrl === null };
  });
}

type Given = { config: Config; log: Log; signal: AbortSignal };
type Try = Given & { warn: Warn };
export type Foundation = Omit<Parts, "publicUrl">;
type Wire<T> = (foundation: Foundation, onStop: OnStop) => Promise<T>;

/**
 * Starts database, storage and queue in order, and what `wire` puts on them; whatever was started is stopped in reverse,
 * by `stop` or when a later step fails: workers, then http, queue, pool, and the database last. A database that is still starting
 * (beside us in a compose file), or restarts meanwhile, gets a minute, in which all is begun anew; a wrong one is told at once.
 */
export async function startOn<T>(given: Given, wire: Wire<T>): Promise<T & { stop(): Promise<void> }> {
  const { config, log, signal } = given;
  const warn = createCalmWarn({ log, isKnown: isDatabaseAway });
  let deadline: number | undefined;
  for (;;) {
    signal.throwIfAborted();
    try {
      return await startOnce({ config, log, signal, warn }, wire);
    } catch (error) {
      if (!isDatabaseAway(error)) throw error;
      deadline ??= performance.now() + DATABASE_WAIT_MS;
      if (isDatabaseClosed(error) || performance.now() > deadline) throw unusableDatabase(config, error);
      warn(error, "waiting for the database");
      await delay(1_000, undefined, { signal });
    }
  }
}

function unusableDatabase({ databaseUrl }: Config, error: unknown): Error {
  const which = databaseUrl === null ? "embedded database" : `database at ${withoutPassword(databaseUrl)}`;
  return new Error(`The ${which} cannot be used: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
}

async function startOnce<T>(given: Try, wire: Wire<T>): Promise<T & { stop(): Promise<void> }> {
  const started: (() => Promise<void>)[] = [];
  const onStop: OnStop = (undo) => started.push(undo);
  const stopping = new AbortController();
  let stopped: Promise<void> | undefined;
  const end = (reason?: unknown) => {
    stopping.abort(reason);
    return (stopped ??= stopInReverse(started, given.log));
  };
  const stop = () => end();
  try {
    const foundation = await startFoundation(given, onStop, () => void end(AT_ONCE).then(() => endProcess(1)));
    const wired = await wire({ ...foundation, stopping: stopping.signal }, onStop);
    const { db, storage, warn } = foundation;
    onStop(startUploadSweep({ executor: db.executor, storage, warn, signal: stopping.signal }).stop);
    return { ...wired, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function stopInReverse(started: (() => Promise<void>)[], log: Log): Promise<void> {
  for (const undo of started.toReversed()) {
    await undo().catch((error: unknown) => log.error({ err: error }, "a part did not stop cleanly"));
  }
}

/** Ends this process, which cannot serve any more: what it has started is stopped first. */
type GiveUp = () => void;

async function startFoundation({ config, log, ...given }: Try, onStop: OnStop, giveUp: GiveUp): Promise<Omit<Foundation, "stopping">> {
  await makeDataDir(config.dataDir);
  const databaseUrl = config.databaseUrl ?? (await startDatabase(config, log, onStop, giveUp));
  await migrateDatabase(databaseUrl, {
    signal: given.signal,
    waiting: () => log.warn({}, "waiting for another process that migrates the database"),
    locked: (sessions) => log.warn({ sessions }, "waiting for sessions that keep what a migration changes locked"),
  }).catch((error: unknown) => {
    throw isDatabaseAway(error) ? error : unusableDatabase(config, error);
  });
  if (config.databaseUrl !== null) await agreeOnFolder({ databaseUrl, dataDir: config.dataDir }, log, onStop, giveUp);

  const storage = await openStorage(config, log);
  onStop(storage.close);
  onStop((await startSweeper({ sweep: storage.sweep, log })).stop);
  const connectionsMax = await withOwnConnection(databaseUrl, (_, executor) => readConnectionLimit(executor));
  const db = openPool(databaseUrl, fitPool(config, connectionsMax, log), given.warn);
  onStop(db.close);
  const doubtTables = await stopForOtherTables({ db, log, onStop, giveUp });
  const warn: Warn = (error, ...event) => {
    given.warn(error, ...event);
    doubtTables(error);
  };
  const queue = await openQueue({
    executor: db.executor,
    supervise: config.role !== "api",
    onError: (error) => warn(error, "the queue reported an error"),
  });
  onStop(queue.stop);
  // Alone on our own database: what a killed forerunner had in hand goes on now, not after its heartbeats have run out. Others that share it
  // by DATABASE_URL may have outlived the forerunner, and would be robbed of all that they are at.
  if (config.databaseUrl === null && !(await isFolderShared(db.executor))) await queue.freeClaims();
  const headerSeal = await openHeaderSeal(config, log, await listSealedBatches(db.executor));
  return { config, log, warn, doubtTables, db, queue, storage, headerSeal };
}

function openStorage({ dataDir }: Config, log: Log): Promise<Storage> {
  const warn = createCalmWarn({ log, isKnown: () => true });
  return createStorage({ dataDir, onNotRemoved: (error) => warn(error, "a temporary file could not be removed") });
}

function openPool(url: string, poolMax: number, warn: Warn): Database {
  return connectDatabase({ url, poolMax, onError: (error) => warn(error, "an idle database connection broke") });
}

type Watched = { db: Database; log: Log; onStop: OnStop; giveUp: GiveUp };

/**
 * Ends this process once its database has not the tables of this version any more. That is looked for now and then, and at once where
 * what is returned is called with an error by which the database does not understand what a worker or a request asks: images would be
 * fetched in vain.
 */
async function stopForOtherTables({ db, log, onStop, giveUp }: Watched): Promise<Parts["doubtTables"]> {
  const watch = await watchVersion({
    executor: db.executor,
    onNewer(detail) {
      log.error({ detail }, "a newer version of Pressrun has migrated the database; stopping");
      giveUp();
    },
    onOther() {
      log.error({}, "the database is not the one that was migrated at the start; stopping");
      giveUp();
    },
  });
  onStop(async () => watch.stop());
  return (error) => {
    if (isStatementUnknown(error)) void watch.look();
  };
}

async function startDatabase(config: Config, log: Log, onStop: OnStop, giveUp: GiveUp): Promise<string> {
  const embedded = await startEmbeddedPostgres({
    dataDir: config.dataDir,
    port: config.embeddedPgPort,
    log: (message) => log.warn({}, message),
  });
  // Started here and nobody else's, or adopted from a dead process once the lock is ours; never that of a living one.
  let isOurs = !embedded.adopted;
  const onExit = () => isOurs && embedded.abandon();
  process.once("exit", onExit);
  onStop(async () => void process.off("exit", onExit));
  onStop(() => (isOurs ? embedded.stop() : embedded.leave()));
  const ownership = await takeOwnership({
    url: embedded.url,
    onLost() {
      log.error({ dataDir: config.dataDir }, "another process has taken over this DATA_DIR; stopping");
      isOurs = false;
      giveUp();
    },
  });
  isOurs = ownership !== null;
  if (!ownership) throw new DataDirInUse(config.dataDir);
  onStop(ownership.close);
  embedded.keepRunning();
  return embedded.url;
}

type Where = { databaseUrl: string; dataDir: string };

/** Output, input and result files of a batch lie where any process of its database looks for them. */
async function agreeOnFolder({ databaseUrl, dataDir }: Where, log: Log, onStop: OnStop, giveUp: GiveUp): Promise<void> {
  let folderId = "";
  const share = await shareFolder({
    url: databaseUrl,
    // Read again after a break of the connection: somebody may have come meanwhile, found nobody, and named it.
    folderId: async (isAlone) => (folderId = await nameFolder(dataDir, randomUUID(), isAlone)),
    onLost() {
      log.error({ dataDir, folderId }, "another process of this database has its files in another DATA_DIR; stopping");
      giveUp();
    },
  });
  if (!share)
    throw new Error(
      `DATA_DIR ${dataDir} is another folder than the one in which the running processes of this database have their files: expected the same for all, as its file folder-id tells (here ${folderId}). ` +
        "Mount their folder and let DATA_DIR be its path, or give this process a database of its own with DATABASE_URL.",
    );
  onStop(share.close);
}
