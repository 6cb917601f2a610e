import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Binaries } from "./binaries.ts";
import { isAlive } from "./postmaster.ts";
import { serverEnvironment } from "./server-environment.ts";
import type { ServerUser } from "./server-user.ts";

export const DATABASE = "pressrun";
export const SUPERUSER = "pressrun";
const PASSWORD_FILE = "pressrun.password";

/** Makes the cluster, in a folder that there is, aside and renames it when it is whole, so that a kill in the middle leaves no half of one. */
export async function ensureCluster(clusterDir: string, binaries: Binaries, user: ServerUser): Promise<void> {
  const isMade = await hasCluster(clusterDir);
  await removeLeftOvers(clusterDir);
  if (isMade) {
    await checkVersion(clusterDir);
    return refuseForeign(clusterDir, user);
  }

  const making = await mkdtemp(`${clusterDir}.init-${process.pid}-`);
  try {
    await user.own(making);
    await initialise(making, binaries, user);
    await rename(making, clusterDir);
  } catch (error) {
    await rm(making, { recursive: true, force: true });
    // Another process that started at the same time was faster: its cluster serves as well.
    if (!existsSync(join(clusterDir, "PG_VERSION"))) throw error;
  }
}

/** Throws where the folder is closed to us, or holds something else: none that we make could take its place. */
export async function hasCluster(clusterDir: string): Promise<boolean> {
  const names = await readdir(clusterDir).catch(async (error: NodeJS.ErrnoException): Promise<string[]> => {
    if (error.code === "ENOENT") return [];
    if (error.code === "EACCES") throw await closedTo(clusterDir, error);
    throw error;
  });
  if (names.includes("PG_VERSION")) return true;
  if (names.length === 0) return false;
  throw new Error(
    `Expected the embedded database in ${clusterDir}, or nothing yet, got files that are none (${names.slice(0, 3).join(", ")}). Move them away, or set DATA_DIR to another folder.`,
  );
}

async function closedTo(clusterDir: string, cause: Error): Promise<Error> {
  const { uid: owner } = await stat(clusterDir);
  const us = process.geteuid?.();
  return new Error(
    `The database in ${clusterDir} belongs to the user with the id ${owner}, and is closed to this process, whose user has the id ${us}. Run it as that user; or stop what uses the database and give it to this one (\`chown -R ${us} ${clusterDir}\`, as root); or set DATA_DIR to another folder.`,
    { cause },
  );
}

/** PostgreSQL starts only as the owner of the folder, which root is not let to be. */
async function refuseForeign(clusterDir: string, { uid: us }: ServerUser): Promise<void> {
  const { uid: owner } = await stat(clusterDir);
  if (us === null || us === owner) return;
  throw new Error(
    `The database in ${clusterDir} belongs to the user with the id ${owner}, as after a copy or a restore that kept no owners, and PostgreSQL would run as the user with the id ${us}, which must own it. Run \`chown -R ${us} ${clusterDir}\` as root, or set DATA_DIR to another folder.`,
  );
}

export async function readPassword(clusterDir: string, { postgres }: Binaries): Promise<string> {
  const path = join(clusterDir, PASSWORD_FILE);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    throw new Error(
      `Expected the password of the database in ${path}, where there is none. Bring the file back from a backup; or write another password into it, and give that to the database while it does not run, as the user who owns its folder: \`echo "alter role ${SUPERUSER} password 'THAT PASSWORD'" | ${postgres} --single -D ${clusterDir} postgres\`.`,
      { cause: error },
    );
  });
  return text.trim();
}

async function initialise(folder: string, binaries: Binaries, user: ServerUser): Promise<void> {
  const data = join(folder, "data");
  const passwordFile = join(folder, "password");
  await writeFile(passwordFile, randomBytes(24).toString("base64url"), { mode: 0o600 });
  await user.own(passwordFile);
  await run(user, binaries.initdb, [
    "-D",
    data,
    "-U",
    SUPERUSER,
    "-E",
    "UTF8",
    "--locale-provider=builtin",
    "--locale=C.UTF-8",
    `--pwfile=${passwordFile}`,
    "--auth=scram-sha-256",
    "--no-instructions",
  ]);
  await makeDatabase(data, binaries, user);
  await rename(passwordFile, join(data, PASSWORD_FILE));
  // The folder around the data is removed: the data takes its place.
  const aside = `${folder}-data`;
  await rename(data, aside);
  await rm(folder, { recursive: true });
  await rename(aside, folder);
}

/** This room has no client library: the server takes the statement on its standard input (`--single`), before it ever listens. */
async function makeDatabase(data: string, binaries: Binaries, as: Wrapping): Promise<void> {
  await run(as, binaries.postgres, ["--single", "-c", "lc_messages=C", "-D", data, "postgres"], `create database ${DATABASE};\n`);
}

/** PostgreSQL's own databases have the numbers 1, 4 and 5; none that is made later is below this (src/include/access/transam.h: FirstUnpinnedObjectId). */
const MADE_DATABASE_ID_MIN = 12_000;

/** Makes the database where it is missing: earlier versions took a cluster for whole when the disk had become full just before it. */
export async function ensureDatabase(clusterDir: string, binaries: Binaries, as: Wrapping): Promise<void> {
  const ids = await readdir(join(clusterDir, "base"));
  if (!ids.some((id) => Number(id) >= MADE_DATABASE_ID_MIN)) await makeDatabase(clusterDir, binaries, as);
}

async function checkVersion(clusterDir: string): Promise<void> {
  const version = (await readFile(join(clusterDir, "PG_VERSION"), "utf8")).trim();
  if (version !== "18") {
    throw new Error(
      `The database in ${clusterDir} was made by PostgreSQL ${version}, the embedded one is 18. Move the data with pg_dump, or set DATABASE_URL to a server of version ${version}.`,
    );
  }
}

async function removeLeftOvers(clusterDir: string): Promise<void> {
  const prefix = `${basename(clusterDir)}.init-`;
  for (const name of await readdir(dirname(clusterDir))) {
    if (!name.startsWith(prefix)) continue;
    const pid = Number(name.slice(prefix.length).split("-")[0]);
    if (!isAlive(pid)) await rm(join(dirname(clusterDir), name), { recursive: true, force: true });
  }
}

type Wrapping = Pick<ServerUser, "wrap">;

/** What a server alone with its input has against a statement it says, and ends as if nothing were the matter. */
const FAULT = /\b(ERROR|FATAL|PANIC): /;

function run(as: Wrapping, program: string, args: string[], input = ""): Promise<void> {
  const { command, args: wrapped } = as.wrap(program, args);
  return new Promise((resolve, reject) => {
    const child = spawn(command, wrapped, { env: serverEnvironment(), stdio: ["pipe", "ignore", "pipe"], cwd: "/" });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2_000)));
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 && !FAULT.test(said) ? resolve() : reject(new Error(`${basename(program)} failed: ${said.trim()}`)),
    );
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}
