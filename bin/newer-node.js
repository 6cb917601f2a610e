import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const MAJOR_MIN = 24;
/** Their exit code says nothing more than that they ended by a signal. */
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGKILL: 9, SIGTERM: 15 };

/**
 * True where this Node is too old, and a newer one runs these words in its place from here on, or there is none: then
 * it is said how to get one.
 */
export function runNewerNode(words) {
  if (Number(process.versions.node.split(".")[0]) >= MAJOR_MIN) return false;
  const node = findNode();
  if (node === null) {
    console.error(
      `Pressrun needs Node ${MAJOR_MIN} or later; this is Node ${process.versions.node} on ${process.platform}-${process.arch}.\n` +
        "Node 24 comes along with `npm install` or `npm ci` on Linux and on Windows x64 (not with --omit=optional).\n" +
        "Elsewhere install it from https://nodejs.org, put it first in PATH, and run this again.",
    );
    process.exitCode = 1;
  } else replaceBy(node, words);
  return true;
}

/** Node of the package that npm installed beside this one for this platform. */
function findNode() {
  const platform = process.platform === "win32" ? "win" : process.platform;
  try {
    const folder = dirname(createRequire(import.meta.url).resolve(`node-${platform}-${process.arch}/package.json`));
    const node = join(folder, "bin", process.platform === "win32" ? "node.exe" : "node");
    return existsSync(node) ? node : null;
  } catch {
    return null;
  }
}

function replaceBy(node, words) {
  // Where this process is killed the channel closes, by which a service ends too, and does not stay behind with its port.
  const env = { ...process.env, PRESSRUN_WRAPPER: String(process.pid) };
  const child = spawn(node, [...process.execArgv, ...words], { env, stdio: ["inherit", "inherit", "inherit", "ipc"] });
  // Ctrl-C reaches everything on the terminal: handed on it would come twice, which means "at once".
  const isOnTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  process.on("SIGINT", () => isOnTerminal || child.kill("SIGINT"));
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`${node} does not start: ${error.message}`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => process.exit(signal === null ? code : 128 + (SIGNALS[signal] || 0)));
}
