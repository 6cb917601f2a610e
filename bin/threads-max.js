import { readFileSync } from "node:fs";

/**
 * How many processes and threads the system lets us have, those of the embedded database among them: the least of the limits of our cgroup
 * and of those above it (v2, or the tree `pids` of v1) and, unless we are root, whom it does not bind, of RLIMIT_NPROC. Only Linux tells;
 * else Infinity.
 */
export function readThreadsMax() {
  const limits = [Infinity];
  if (process.geteuid?.() !== 0) limits.push(limitIn(/^Max processes +(\d+) /m, "/proc/self/limits"));
  for (const line of readText("/proc/self/cgroup").split("\n")) {
    const [, tree, path] = /^\d+:(pids)?:(\/.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    // In a container the path can be the host's, where nothing is here; what is at the top of the tree is ours then.
    let folder = tree === undefined ? "/sys/fs/cgroup" : "/sys/fs/cgroup/pids";
    for (const name of path.split("/")) {
      folder += name === "" ? "" : `/${name}`;
      limits.push(limitIn(/^(\d+)$/m, `${folder}/pids.max`));
    }
  }
  return Math.min(...limits);
}

/** @param {RegExp} pattern @param {string} path */
function limitIn(pattern, path) {
  return Number(pattern.exec(readText(path))?.[1] ?? Infinity);
}

/** @param {string} path */
function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
