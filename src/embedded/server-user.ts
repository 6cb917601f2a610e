import { spawnSync } from "node:child_process";
import { chown, readFile, stat } from "node:fs/promises";
import os from "node:os";

/** How to start programs as somebody whom PostgreSQL accepts: it refuses to run as root. */
export type ServerUser = {
  /** Null on Windows, which has none. */
  uid: number | null;
  wrap(command: string, args: string[]): { command: string; args: string[] };
  own(path: string): Promise<void>;
};

/**
 * An ordinary user starts the server as themselves. Root starts it as the owner of the cluster where there is one, else as
 * `postgres`, else as `nobody`, which every Linux has. The capabilities let that user pass folders that are closed to
 * others (the home of root, say); the server itself makes no use of them.
 */
export async function chooseServerUser(clusterDir: string): Promise<ServerUser> {
  if (process.platform === "win32" || process.getuid?.() !== 0) {
    refuseNameless();
    return { uid: process.geteuid?.() ?? null, wrap: (command, args) => ({ command, args }), own: async () => {} };
  }
  if (spawnSync("setpriv", ["--version"]).status !== 0) {
    throw new Error(
      "PostgreSQL does not run as root, and the program setpriv (package util-linux) that would switch the user is missing. Install it, run as an ordinary user, or set DATABASE_URL.",
    );
  }
  const { uid, gid } = await unprivileged(clusterDir);
  const capabilities = "+dac_read_search,+dac_override";
  const prefix = [
    `--reuid=${uid}`,
    `--regid=${gid}`,
    "--clear-groups",
    `--inh-caps=${capabilities}`,
    `--ambient-caps=${capabilities}`,
    "--securebits=+no_setuid_fixup",
    "--",
  ];
  return {
    uid,
    wrap: (command, args) => ({ command: "setpriv", args: [...prefix, command, ...args] }),
    own: (path) => chown(path, uid, gid),
  };
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
