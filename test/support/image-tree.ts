import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** One instruction of a Dockerfile, its line continuations joined. */
type Step = { name: string; rest: string };
export type Stage = { root: string; workdir: string; env: Record<string, string>; user: string; command: string[]; healthcheck: string[] };

/** Whether this machine lets us mount what a container would see. */
export function canMount(): boolean {
  return process.platform === "linux" && process.getuid?.() === 0 && spawnSync("unshare", ["--mount", "true"]).status === 0;
}

/**
 * Follows a Dockerfile's steps without an engine: each stage is a folder, its commands run with that folder as their root.
 * The base image is not fetched: the machine's own system folders stand for it, and this Node for its Node. Throws at a step
 * that it does not know, so that none is passed over.
 */
export async function buildImageTree({ context, folder }: { context: string; folder: string }): Promise<Stage> {
  const stages = new Map<string, Stage>();
  let stage: Stage | undefined;
  for (const step of readSteps(await readFile(join(context, "Dockerfile"), "utf8"))) {
    if (step.name === "FROM") {
      const [, image = "", , name = String(stages.size)] = /^(\S+)( AS (\S+))?$/i.exec(step.rest) ?? [];
      if (!image.startsWith("node:24-")) throw new Error(`expected an image of Node 24, got FROM ${step.rest}`);
      stage = await startStage(join(folder, name));
      stages.set(name, stage);
    } else if (stage) await follow(step, stage, { context, stages });
    else throw new Error(`expected FROM first, got ${step.name}`);
  }
  if (!stage) throw new Error("expected a Dockerfile with a stage");
  return stage;
}

function readSteps(text: string): Step[] {
  const lines = text
    .replaceAll(/^\s*#.*\n/gm, "")
    .replaceAll(/\\\n/g, " ")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  return lines.map((line) => {
    const [, name = "", rest = ""] = /^(\S+)\s+(.*)$/.exec(line) ?? [];
    return { name: name.toUpperCase(), rest };
  });
}

/** Folders of the machine. What an image's steps wrote there would stay, but they write elsewhere. */
const SYSTEM = ["usr", "bin", "sbin", "lib", "lib64", "etc", "dev", "proc"];
const NODE_USER = "node:x:1000:1000::/home/node:/bin/sh";
const NODE_FOLDER = "/opt/node/bin";

async function startStage(root: string): Promise<Stage> {
  for (const name of [...SYSTEM, "tmp", "root", "opt/node/bin", "home/node"]) await mkdir(join(root, name), { recursive: true });
  await copyFile(process.execPath, join(root, NODE_FOLDER, "node"));
  await writeFile(join(root, "opt", "passwd"), `root:x:0:0::/root:/bin/sh\n${NODE_USER}\n`);
  await writeFile(join(root, "opt", "group"), "root:x:0:\nnode:x:1000:\n");
  return { root, workdir: "/", env: {}, user: "root", command: [], healthcheck: [] };
}

async function follow(
  { name, rest }: Step,
  stage: Stage,
  { context, stages }: { context: string; stages: Map<string, Stage> },
): Promise<void> {
  switch (name) {
    case "WORKDIR":
      stage.workdir = rest;
      await mkdir(join(stage.root, rest), { recursive: true });
      return;
    case "ENV":
      Object.assign(stage.env, Object.fromEntries(rest.split(/\s+/).map((pair) => pair.split("=", 2))));
      return;
    case "COPY":
      return copy(rest, stage, { context, stages });
    case "RUN":
      return run(rest, stage);
    case "USER":
      stage.user = rest;
      return;
    case "CMD":
      stage.command = JSON.parse(rest) as string[];
      return;
    case "HEALTHCHECK":
      stage.healthcheck = JSON.parse(rest.slice(rest.indexOf("["))) as string[];
      return;
    case "VOLUME":
    case "EXPOSE":
      return;
    default:
      throw new Error(`expected steps that can be followed, got ${name} ${rest}`);
  }
}

async function copy(rest: string, stage: Stage, { context, stages }: { context: string; stages: Map<string, Stage> }): Promise<void> {
  const [, from, words = ""] = /^(?:--from=(\S+) )?(.+)$/.exec(rest) ?? [];
  const names = words.split(/\s+/);
  const target = join(stage.root, stage.workdir, names.pop() ?? "");
  const source = from === undefined ? context : stages.get(from)?.root;
  if (source === undefined) throw new Error(`expected a stage, got COPY ${rest}`);
  for (const name of names) {
    // Docker copies what is in a folder; into a name that ends with a slash, or `.`, it copies a file under its own.
    const isWhole = name === ".";
    if (isWhole) for (const entry of await listContext(context)) duplicate(join(context, entry), join(target, entry));
    else
      duplicate(
        join(source, name),
        /(^|\/)\.?\/?$/.test(words.split(/\s+/).at(-1) ?? "") ? join(target, name.split("/").at(-1) ?? "") : target,
      );
  }
}

async function listContext(context: string): Promise<string[]> {
  const ignored = (await readFile(join(context, ".dockerignore"), "utf8"))
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (ignored.some((pattern) => /[*!/]/.test(pattern))) throw new Error("expected plain names in .dockerignore");
  return (await readdir(context)).filter((entry) => !ignored.includes(entry));
}

function duplicate(source: string, target: string): void {
  const { status, stderr } = spawnSync(
    "sh",
    ["-c", 'mkdir -p "$(dirname "$2")" && cp -a --reflink=auto -T "$1" "$2"', "sh", source, target],
    { encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`COPY failed: ${stderr}`);
}

function run(command: string, stage: Stage): void {
  // The caches and settings of npm are the machine's; nothing else of it is known inside.
  const npm = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => /^(npm_config_|https?_proxy|no_proxy|node_extra_ca_certs)/i.test(name)),
  );
  const { status, stdout, stderr } = spawnSync(...enter(stage, "root", ["sh", "-c", command]), {
    encoding: "utf8",
    env: { ...npm, npm_config_prefer_offline: "true", ...environmentOf(stage), HOME: "/root" },
  });
  if (status !== 0) throw new Error(`RUN ${command} failed:\n${stdout}${stderr}`);
}

/** Starts the image's command as its user, as an engine would. */
export function startImage(stage: Stage, env: Record<string, string>): ChildProcess {
  return spawn(...enter(stage, stage.user, stage.command), { env: { ...environmentOf(stage), ...env }, stdio: ["ignore", "pipe", "pipe"] });
}

/** The exit code of its health check. `edit`: the port of a test is not the image's. */
export function checkHealth(stage: Stage, edit: (word: string) => string): number | null {
  const [kind, ...words] = stage.healthcheck;
  if (kind === undefined) throw new Error("expected a health check");
  return spawnSync(...enter(stage, stage.user, [kind, ...words].map(edit)), { env: environmentOf(stage) }).status;
}

function environmentOf(stage: Stage): Record<string, string> {
  return { PATH: `${NODE_FOLDER}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`, ...stage.env };
}

/** Mounts are seen by this process alone and go with it. setpriv replaces itself, so that signals reach the command. */
const ENTER = `
set -e
root=$1 user=$2 workdir=$3; shift 3
for name in ${SYSTEM.join(" ")}; do [ ! -d "/$name" ] || mount --rbind "/$name" "$root/$name"; done
mount --bind "$root/opt/passwd" "$root/etc/passwd"
mount --bind "$root/opt/group" "$root/etc/group"
if [ "$user" = root ]; then mount --rbind "$HOST_HOME" "$root/root"; fi
exec chroot "$root" setpriv --reuid="$user" --regid="$user" --clear-groups sh -c 'cd "$0" && exec "$@"' "$workdir" "$@"`;

function enter(stage: Stage, user: string, command: readonly string[]): [string, string[]] {
  const home = process.env["HOME"] ?? dirname(process.cwd());
  return [
    "unshare",
    [
      "--mount",
      "--propagation",
      "private",
      "sh",
      "-c",
      ENTER.replaceAll("$HOST_HOME", home),
      "sh",
      stage.root,
      user,
      stage.workdir,
      ...command,
    ],
  ];
}
