import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { refuseReadOnly } from "./check-server.ts";
import { connectionOptions, unlessHanging, type Executor } from "./connect.ts";
import { openSession } from "./session.ts";

/** Drawn once: one process may own a DATA_DIR's embedded database. */
const OWNER_LOCK = "8102099357864814446";
/** "file" in ASCII: every process of a database shares a lock whose second number stands for the folder of its files. */
const FOLDER_LOCK_CLASS = 0x66696c65;
/** Drawn once: held while a process looks which folder the others have. */
const NAMING_LOCK = "8102099357864814447";
const RETRY_MS = 500;
/** A shared file system may show for a second or two what a file held before, and the lock of a process that was killed may outlive it. */
const AGREE_MS = 2_000;
const AGREE_LOOK_MS = 250;

type Ownership = { close(): Promise<void> };
type HoldOptions = { url: string; onLost: () => void };

/** Takes the session advisory lock that says "this process serves this DATA_DIR", or resolves null when another process holds it. */
export async function takeOwnership(options: HoldOptions): Promise<Ownership | null> {
  /** That of ours which has the lock, or had it until its connection broke. */
  let session: number | null = null;
  return holdLock(options, async (client) => {
    const { rows } = await client.query<{ locked: boolean; session: number }>(TRY_OWNER_LOCK, [OWNER_LOCK]);
    const [found] = rows;
    if (found?.locked === true) session = found.session;
    else if (session !== null && !(await isOwnedBesides(client, session)))
      throw new Error("our earlier session has yet to let go of the lock");
    return found?.locked === true;
  });
}

const TRY_OWNER_LOCK = "select pg_try_advisory_lock($1) as locked, pg_backend_pid() as session";

/** PostgreSQL tells a client that its session ends before the session lets go of its locks. */
async function isOwnedBesides(client: pg.Client, session: number): Promise<boolean> {
  const { rows } = await client.query(`select from pg_locks where ${IS_OWNER_LOCK} and pid <> $1`, [session]);
  return rows.length > 0;
}

/**
 * Says for as long as it is open that this process has its files in the folder that `folderId` names (by a UUID), or resolves null when
 * another process of this database has them in another: each would look in vain for what the other writes. Who is alone gives the folder
 * a new name, so that a copy of it, which took its name along, has that of another from then on.
 */
export async function shareFolder(options: HoldOptions & { folderId(isAlone: boolean): Promise<string> }): Promise<Ownership | null> {
  return holdLock(options, async (client) => {
    // One process at a time: of two that start together, the second finds the name that the first has given. A transaction of one that is
    // frozen is ended by the server.
    await client.query("begin");
    await client.query("select pg_advisory_xact_lock($1)", [NAMING_LOCK]);
    for (let waitedMs = 0; waitedMs <= AGREE_MS; waitedMs += AGREE_LOOK_MS) {
      const { rows } = await client.query<{ key: number }>(HELD_FOLDERS, [FOLDER_LOCK_CLASS]);
      const key = lockKeyOf(await options.folderId(rows.length === 0));
      if (rows.every((held) => held.key === key)) {
        await client.query("select pg_advisory_lock_shared($1, $2)", [FOLDER_LOCK_CLASS, key]);
        await client.query("commit");
        return true;
      }
      await delay(AGREE_LOOK_MS);
    }
    return false;
  });
}

/** Whether processes have this database by DATABASE_URL. The owner of an embedded one has the folder to itself, and is none of them. */
export async function isFolderShared(db: Executor): Promise<boolean> {
  return (await db.executeSql(HELD_FOLDERS, [FOLDER_LOCK_CLASS])).rows.length > 0;
}

/**
 * In SQL, a lock of this database that somebody has. `objsubid = 1` are those of one number, whose halves are in two columns, `objsubid = 2`
 * those of two numbers.
 */
const IS_LOCK_HERE = "locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())";
const IS_OWNER_LOCK = `${IS_LOCK_HERE} and objsubid = 1 and (classid::int8 << 32) | objid::int8 = ${OWNER_LOCK}`;

/** In SQL, whether a process serves this database: the owner of an embedded one, or one that shares it and has its files in a folder. */
export const IS_SERVED = `exists (
  select from pg_locks where ${IS_OWNER_LOCK} or ${IS_LOCK_HERE} and objsubid = 2 and classid = ${FOLDER_LOCK_CLASS})`;

/** 31 bits of the id, since the two numbers of a lock are signed and have 32. */
function lockKeyOf(folderId: string): number {
  return Number.parseInt(folderId.slice(0, 8), 16) & 0x7fffffff;
}

const HELD_FOLDERS = `
  select distinct objid::int4 as key from pg_locks where ${IS_LOCK_HERE} and objsubid = 2 and classid = $1::int4::oid`;

/**
 * A lock is lost with its connection, and is taken again at once on a new one. Where another process was faster, `onLost` is
 * called, and this process must stop.
 */
async function holdLock({ url, onLost }: HoldOptions, take: (client: pg.Client) => Promise<boolean>): Promise<Ownership | null> {
  let isClosed = false;
  let client = await lockedClient(url, take);
  if (!client) return null;

  const hold = (held: pg.Client) => {
    held.on("end", () => {
      if (!isClosed) void retake();
    });
  };
  const retake = async () => {
    while (!isClosed) {
      try {
        const next = await lockedClient(url, take);
        if (isClosed) return void (await next?.end());
        if (!next) return onLost();
        client = next;
        return hold(next);
      } catch {
        await delay(RETRY_MS);
      }
    }
  };

  hold(client);
  return {
    async close() {
      isClosed = true;
      if (client) await unlessHanging(client.end().catch(() => {}));
    },
  };
}

async function lockedClient(url: string, take: (client: pg.Client) => Promise<boolean>): Promise<pg.Client | null> {
  const client = new pg.Client(connectionOptions(url, "pressrun owner"));
  client.on("error", () => client.end().catch(() => {}));
  await openSession(client);
  try {
    // A standby has locks of its own, which nobody sees on the server that has taken over.
    await refuseReadOnly(client);
    if (await take(client)) return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
  await client.end();
  return null;
}
