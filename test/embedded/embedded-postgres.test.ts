import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, chown, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { once } from "node:events";
import os from "node:os";
import { describe, test } from "node:test";
import { connectDatabase } from "../../src/db/connection/connect.ts";
import { shareFolder } from "../../src/db/connection/ownership.ts";
import { findBinaries } from "../../src/embedded/binaries.ts";
import { ensureCluster, hasCluster } from "../../src/embedded/cluster.ts";
import { startEmbeddedPostgres } from "../../src/embedded/embedded-postgres.ts";
import { chooseServerUser } from "../../src/embedded/server-user.ts";
import { openQueue } from "../../src/queue/queue.ts";
import { onCleanup } from "../support/cleanup.ts";
import { placeCluster } from "../support/cluster.ts";
import { runCommand } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { processesNaming } from "../support/processes.ts";
import { startService } from "../support/service.ts";

const isRoot = process.getuid?.() === 0;
const AS_NOBODY = ["--reuid=65534", "--regid=65534", "--clear-groups"];
const canBecomeNobody = isRoot && spawnSync("setpriv", [...AS_NOBODY, process.execPath, "bin/require-node.js"]).status === 0;
const OWN_NAMESPACES = ["--pid", "--ipc", "--mount-proc", "--fork", "--kill-child"];
const canUnshare = isRoot && spawnSync("unshare", [...OWN_NAMESPACES, "true"]).status === 0;
const { postgres: SERVER } = await findBinaries();
const canRunPrograms = isRoot && spawnSync("setpriv", [...AS_NOBODY, SERVER, "--version"], { cwd: "/" }).status === 0;
/** A DATA_DIR with a cluster, for tests that are not about how one is made. */
const folderWithCluster = async () => {
  const dataDir = await createTestFolder();
  await placeCluster(dataDir);
  return dataDir;
};
const start = async (dataDir: string, port = 0) => {
  const postgres = await startEmbeddedPostgres({ dataDir, port, log: () => {} });
  onCleanup(() => postgres.stop());
  return postgres;
};

/** CAP_DAC_READ_SEARCH of capabilities(7), in the kernel's numbering. */
const DAC_READ_SEARCH = 1n << 2n;
/** What the server of a folder may do, and knows of us. */
const readServer = async (dataDir: string) => {
  const [pid] = (await readFile(join(dataDir, "postgres", "postmaster.pid"), "utf8")).split("\n");
  const [, capabilities] = /^CapEff:\s+(\S+)$/m.exec(await readFile(`/proc/${pid}/status`, "utf8")) ?? [];
  const environment = (await readFile(`/proc/${pid}/environ`, "utf8")).replaceAll("\0", "\n");
  return { capabilities: BigInt(`0x${capabilities}`), environment };
};

/** Root as in a container, who may not look into other users' processes. */
const WITHOUT_LOOKING = ["setpriv", "--bounding-set=-sys_ptrace"];
/** Asks the database of a folder. */
const askReport = async (dataDir: string, asWho = ["env"]) => {
  const child = spawn(asWho[0] ?? "", [...asWho.slice(1), process.execPath, "bin/pressrun.js", "report", "batches"], {
    env: { PATH: process.env["PATH"] ?? "", DATA_DIR: dataDir, EMBEDDED_PG_PORT: "0" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const [[code], stderr] = await Promise.all([once(child, "exit") as Promise<[number]>, text(child.stderr)]);
  return { code, stderr };
};

describe("the embedded PostgreSQL", () => {
  test("takes a client at the string it gives, listens on loopback alone and demands its password", async () => {
    const postgres = await start(await createTestFolder());
    const db = connectDatabase({ url: postgres.url, poolMax: 1, onError: () => {} });
    const { rows } = await db.executor.executeSql(
      "select current_database() as name, inet_server_addr()::text as at, current_setting('fsync') as fsync, current_setting('synchronous_commit') as sync",
    );
    assert.deepEqual(rows, [{ name: "pressrun", at: "127.0.0.1/32", fsync: "on", sync: "on" }]);
    await db.close();
    const stranger = connectDatabase({ url: postgres.url.replace(/:[^:@]+@/, ":guess@"), poolMax: 1, onError: () => {} });
    await assert.rejects(stranger.executor.executeSql("select 1"), /password/);
    await stranger.close();
  });

  test("starts and stops in its own time, however the machine's clock is set meanwhile", async (t) => {
    const dataDir = await folderWithCluster();
    let nowMs = Date.now();
    t.mock.method(Date, "now", () => (nowMs += 600_000));
    await (await start(dataDir)).stop();
    t.mock.restoreAll();
    assert.deepEqual(processesNaming(dataDir), []);
    assert.equal(existsSync(join(dataDir, "postgres", "postmaster.pid")), false, "it was given the time to end by itself");
  });

  test("that was orphaned is adopted, and stopped by whoever adopted it", async () => {
    const dataDir = await folderWithCluster();
    const first = await startService({ DATA_DIR: dataDir });
    const pidOf = async () => Number((await readFile(join(dataDir, "postgres", "postmaster.pid"), "utf8")).split("\n")[0]);
    const pid = await pidOf();
    await first.kill("SIGKILL");
    const second = await startService({ DATA_DIR: dataDir, PGSSLMODE: "require" });
    assert.equal(await pidOf(), pid);
    await eventually("a URL that psql can use, whatever PGSSLMODE says", async () => second.output.join("\n").includes("?sslmode=disable"));
    assert.equal((await second.kill("SIGTERM")).code, 0);
    assert.deepEqual(processesNaming(dataDir), []);
    assert.equal(existsSync(join(dataDir, "postgres", "postmaster.pid")), false);
  });

  test("that was orphaned under others that share it leaves them what they have claimed", async () => {
    const dataDir = await folderWithCluster();
    const owner = await startService({ DATA_DIR: dataDir });
    const url = await eventually("its URL", async () => /^Database: psql "(.+)"$/m.exec(owner.output.join("\n"))?.[1]);
    await owner.kill("SIGKILL");
    const share = await shareFolder({ url, folderId: async () => randomUUID(), onLost: assert.fail });
    const db = connectDatabase({ url, poolMax: 2, onError: () => {} });
    const queue = await openQueue({ executor: db.executor, supervise: false, onError: () => {} });
    const claims = await db.keyedTransaction(async (tx) => {
      await queue.sendImages(tx, [{ data: { batchId: randomUUID(), ordinal: 0 }, priority: -1 }]);
      return (await queue.claimImages(tx, 1)).claims;
    });
    // Nobody sends heartbeats for them, and a start may take longer than a claim lives without one.
    await db.executor.executeSql("update pgboss.job set heartbeat_seconds = 3600 where state = 'active'");
    const again = await startService({ DATA_DIR: dataDir });
    const { alive } = await db.keyedTransaction((tx) => queue.touch(tx, claims));
    assert.equal(alive.size, 1);
    await Promise.all([share?.close(), queue.stop(), db.close()]);
    assert.equal((await again.kill("SIGTERM")).code, 0);
  });

  test("that is stopping still, since its process ended at once, is waited for and started again", { timeout: 60_000 }, async () => {
    const dataDir = await folderWithCluster();
    const first = await start(dataDir);
    const pidFile = join(dataDir, "postgres", "postmaster.pid");
    first.abandon();
    await eventually("it to stop", async () => !(await readFile(pidFile, "utf8").catch(() => "")).includes("ready"));
    const second = await start(dataDir);
    assert.equal(second.adopted, false);
    const db = connectDatabase({ url: second.url, poolMax: 1, onError: () => {} });
    await db.executor.executeSql("select 1");
    await db.close();
  });

  test("is not given to a second process, which says so and leaves the first alone", async () => {
    const dataDir = await folderWithCluster();
    const first = await startService({ DATA_DIR: dataDir });
    const second = spawn(process.execPath, ["bin/pressrun.js", "serve"], {
      env: { PATH: process.env["PATH"] ?? "", PORT: "0", DATA_DIR: dataDir, EMBEDDED_PG_PORT: "0" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const [[code], said] = await Promise.all([once(second, "exit") as Promise<[number]>, text(second.stderr)]);
    assert.equal(code, 1);
    assert.match(said, /in use by another Pressrun process/);
    assert.match(said, /DATABASE_URL/);
    assert.doesNotMatch(said, /\n\s+at /);
    assert.equal((await fetch(`${first.url}/readyz`)).status, 200);
    assert.equal((await first.kill("SIGTERM")).code, 0);
  });

  test("starts over what a kill left: a pid file of the dead, a cluster half made", async () => {
    const dataDir = await createTestFolder();
    await mkdir(join(dataDir, "postgres.init-999999-abcdef", "data"), { recursive: true });
    const first = await start(dataDir);
    assert.deepEqual((await readdir(dataDir)).toSorted(), ["postgres"]);
    await first.stop();
    // A process that lives, but is no server of ours: the number was used again.
    await writeFile(
      join(dataDir, "postgres", "postmaster.pid"),
      `${process.pid}\n${join(dataDir, "postgres")}\n1\n1\n\n127.0.0.1\n1 1\nready   \n`,
    );
    const second = await start(dataDir);
    assert.equal(second.adopted, false);
    assert.equal(second.port, first.port, "the port stays, so that a psql command can be kept");
  });

  test("is not made where its database cannot be, as on a full disk, and nothing stays", async () => {
    const dataDir = await createTestFolder();
    const script = async (name: string, text: string) => {
      await writeFile(join(dataDir, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
      return join(dataDir, name);
    };
    // As PostgreSQL does alone with its input: it says what is the matter, and ends with 0.
    const binaries = {
      initdb: await script("initdb", 'mkdir "$2"; echo 18 > "$2/PG_VERSION"'),
      postgres: await script("postgres", 'echo "[1] ERROR:  could not extend file: No space left on device" >&2'),
    };
    const user = { uid: null, wrap: (command: string, args: string[]) => ({ command, args }), own: async () => {} };
    await mkdir(join(dataDir, "made"));
    await assert.rejects(ensureCluster(join(dataDir, "made", "postgres"), binaries, user), /postgres failed: .+No space left on device/);
    assert.deepEqual(await readdir(join(dataDir, "made")), []);
  });

  test("that an earlier version left without its database gets it", async () => {
    const dataDir = await folderWithCluster();
    const clusterDir = join(dataDir, "postgres");
    const binaries = await findBinaries();
    const user = await chooseServerUser(clusterDir, binaries);
    const { command, args } = user.wrap(binaries.postgres, ["--single", "-D", clusterDir, "postgres"]);
    const { status, stderr } = spawnSync(command, args, { input: "drop database pressrun;\n", encoding: "utf8", cwd: "/" });
    assert.equal(status, 0, stderr);
    const { url } = await start(dataDir);
    const db = connectDatabase({ url, poolMax: 1, onError: () => {} });
    assert.deepEqual((await db.executor.executeSql("select current_database() as name")).rows, [{ name: "pressrun" }]);
    await db.close();
  });

  test("that does not start says why, also where only its own log does", async () => {
    const dataDir = await folderWithCluster();
    const wal = join(dataDir, "postgres", "pg_wal");
    for (const name of await readdir(wal)) await rm(join(wal, name), { recursive: true });
    await assert.rejects(start(dataDir), /did not start: it ended with 1: [^]+could not locate a valid checkpoint record/);
  });

  test("whose password is lost is not started, and the way out that is said leads out", async () => {
    const dataDir = await folderWithCluster();
    const clusterDir = join(dataDir, "postgres");
    const password = join(clusterDir, "pressrun.password");
    await rm(password);
    const said = await start(dataDir).then(() => "", String);
    assert.match(said, /^Error: Expected the password of the database in .+pressrun\.password, where there is none/);
    assert.deepEqual(processesNaming(dataDir), []);

    const [, wayOut] = /`(.+)`/.exec(said) ?? [];
    assert.ok(wayOut);
    await writeFile(password, "THAT PASSWORD\n");
    const { command, args } = (await chooseServerUser(clusterDir, await findBinaries())).wrap("sh", ["-c", wayOut]);
    const { status, stderr } = spawnSync(command, args, { encoding: "utf8", cwd: "/" });
    assert.equal(status, 0, stderr);
    const db = connectDatabase({ url: (await start(dataDir)).url, poolMax: 1, onError: () => {} });
    await db.executor.executeSql("select 1");
    await db.close();
  });

  test(
    "that was restored without its owner says how to give it back",
    { skip: isRoot ? false : "only root has another run the server" },
    async () => {
      const dataDir = await folderWithCluster();
      const clusterDir = join(dataDir, "postgres");
      spawnSync("chown", ["-R", "0:0", clusterDir]);
      const said = await start(dataDir).then(() => "", String);
      const [, wayOut] = /`(chown -R .+)`/.exec(said) ?? [];
      assert.ok(wayOut, said);
      spawnSync("sh", ["-c", wayOut]);
      await start(dataDir);
    },
  );

  test("that is gone and does not start is tried each second, and said so once", async () => {
    const dataDir = await folderWithCluster();
    const said: string[] = [];
    const postgres = await startEmbeddedPostgres({ dataDir, port: 0, log: (message) => void said.push(message) });
    onCleanup(() => postgres.stop());
    postgres.keepRunning();
    const [config, log, pidFile] = ["postgresql.auto.conf", "startup.log", "postmaster.pid"].map((name) => join(dataDir, "postgres", name));
    assert.ok(config && log && pidFile);
    await writeFile(config, "no such setting\n");
    process.kill(Number.parseInt(await readFile(pidFile, "utf8")), "SIGQUIT");
    const tries = new Set<number>();
    await eventually("three tries", async () => tries.add((await stat(log)).mtimeMs).size > 3);
    await writeFile(config, "");
    await eventually("the server to run again", async () => said.some((message) => message.includes("runs again")));
    assert.equal(said.length, 2, said.join("\n"));
    assert.match(said[0] ?? "", /is gone and does not start/);
  });

  test("is found by any path to its folder, and left as it is", async () => {
    const dataDir = await folderWithCluster();
    const link = join(await createTestFolder(), "link");
    await symlink(dataDir, link);
    const service = await startService({ DATA_DIR: dataDir });
    const pidFile = () => readFile(join(dataDir, "postgres", "postmaster.pid"), "utf8");
    const before = await pidFile();
    for (const asWho of isRoot ? [["env"], WITHOUT_LOOKING] : [["env"]]) {
      const { code, stderr } = await askReport(link, asWho);
      assert.equal(code, 0, stderr);
      assert.equal(await pidFile(), before);
    }
    const second = await runCommand(["serve"], { DATA_DIR: link, PORT: "0", EMBEDDED_PG_PORT: "0" });
    assert.equal(second.code, 1);
    assert.match(second.stderr, /in use by another Pressrun process/);
    assert.equal(await pidFile(), before);
    assert.equal((await fetch(`${service.url}/readyz`)).status, 200);
    assert.equal((await service.kill("SIGTERM")).code, 0);
  });

  test(
    "is not started over a process that may be one, and its file stays",
    { skip: isRoot ? false : "only root can be somebody else" },
    async () => {
      const dataDir = await folderWithCluster();
      const { stop } = await start(dataDir);
      await stop();
      const stranger = spawn("sleep", ["600"], { argv0: "postgres", uid: 65_534, stdio: "ignore" });
      onCleanup(() => stranger.kill("SIGKILL"));
      await once(stranger, "spawn");
      const pidFile = join(dataDir, "postgres", "postmaster.pid");
      const line = `${stranger.pid}\n/elsewhere/postgres\n1\n1\n\n127.0.0.1\n1 1\nready   \n`;
      await writeFile(pidFile, line);
      const { code, stderr } = await askReport(dataDir, WITHOUT_LOOKING);
      assert.equal(code, 1, stderr);
      assert.match(stderr, new RegExp(`Expected to see whether process ${stranger.pid} is the PostgreSQL of .+postmaster\\.pid says`));
      assert.equal(await readFile(pidFile, "utf8"), line);
    },
  );

  test(
    "is not started beside one in another container, which goes on",
    { skip: canUnshare ? false : "only root can make namespaces, where the system allows it" },
    async () => {
      const dataDir = await folderWithCluster();
      const first = await start(dataDir);
      const pidFile = () => readFile(join(dataDir, "postgres", "postmaster.pid"), "utf8");
      const before = await pidFile();
      const { code, stderr } = await askReport(dataDir, ["unshare", ...OWN_NAMESPACES]);
      assert.equal(code, 1);
      assert.match(stderr, /in use by another Pressrun process, in this system, in another container/);
      assert.equal(await pidFile(), before);
      const db = connectDatabase({ url: first.url, poolMax: 1, onError: () => {} });
      await db.executor.executeSql("checkpoint");
      await db.close();
    },
  );

  test("starts where flock cannot do what keeps other containers away, over a pid file of the dead too", async (t) => {
    const dataDir = await folderWithCluster();
    const programs = await createTestFolder();
    await writeFile(join(programs, "flock"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    await chmod(programs, 0o755);
    t.mock.property(process, "env", { ...process.env, PATH: `${programs}:${process.env["PATH"]}` });
    const { uid } = await stat(join(dataDir, "postgres"));
    // Of the server's user, since PostgreSQL itself takes no other's process for a server.
    const stranger = spawn("sleep", ["600"], { uid, stdio: "ignore" });
    onCleanup(() => stranger.kill("SIGKILL"));
    await once(stranger, "spawn");
    await writeFile(join(dataDir, "postgres", "postmaster.pid"), `${stranger.pid}\n/elsewhere\n1\n1\n\n127.0.0.1\n1 1\nready   \n`);
    const lock = join(dataDir, "postgres", "pressrun.lock");
    await rm(lock);
    assert.equal((await start(dataDir)).adopted, false);
    assert.equal(existsSync(lock), false);
  });

  test("takes another port where the wanted one is in use", async () => {
    const squatter = createServer().listen(0, "127.0.0.1");
    await once(squatter, "listening");
    onCleanup(() => squatter.close());
    const { port } = squatter.address() as AddressInfo;
    const postgres = await start(await folderWithCluster(), port);
    assert.notEqual(postgres.port, port);
  });

  test("says what to do with a cluster of another version", async () => {
    const dataDir = await createTestFolder();
    await mkdir(join(dataDir, "postgres"));
    await writeFile(join(dataDir, "postgres", "PG_VERSION"), "16\n");
    await assert.rejects(start(dataDir), /made by PostgreSQL 16, the embedded one is 18\..+DATABASE_URL/);
  });

  test("is not made for a user without a name, as of a container that is given a number", async (t) => {
    t.mock.property(process, "getuid", () => 12_345);
    t.mock.method(os, "userInfo", () => {
      throw new Error("ENOENT: no such file or directory, uv_os_get_passwd");
    });
    await assert.rejects(chooseServerUser("nowhere", await findBinaries()), /knows none for the id 12345.*or set DATABASE_URL/);
  });

  test("is made in no folder that holds something else, which stays", async () => {
    const dataDir = await createTestFolder();
    await mkdir(join(dataDir, "postgres"));
    await writeFile(join(dataDir, "postgres", "notes.txt"), "mine");
    await assert.rejects(start(dataDir), /got files that are none \(notes\.txt\)\. Move them away/);
    assert.deepEqual(await readdir(dataDir), ["postgres"]);
  });

  test("of another user is told as theirs", { skip: isRoot ? false : "only root can be somebody else" }, async () => {
    const clusterDir = join(await createTestFolder(), "postgres");
    await mkdir(clusterDir, { mode: 0o700 });
    await writeFile(join(clusterDir, "PG_VERSION"), "18\n");
    await chmod(dirname(clusterDir), 0o755);
    const before = process.geteuid?.() ?? 0;
    process.seteuid?.(65_534);
    const said = await hasCluster(clusterDir)
      .catch(String)
      .finally(() => process.seteuid?.(before));
    assert.match(String(said), /belongs to the user with the id 0, and is closed to this process, whose user has the id 65534.+chown -R/);
  });

  test("runs for root also in a folder that is closed to others", { skip: isRoot ? false : "only root has such folders" }, async () => {
    const closed = await createTestFolder();
    await chmod(closed, 0o700);
    const dataDir = join(closed, "deeper", "data");
    const service = await startService({ DATA_DIR: dataDir, API_KEYS: "hidden-from-postgres" });
    assert.equal((await fetch(`${service.url}/readyz`)).status, 200);
    const { capabilities, environment } = await readServer(dataDir);
    assert.equal(capabilities, DAC_READ_SEARCH, "it may read on its way, and write nothing that is not its own");
    assert.match(environment, /^PATH=/m);
    assert.doesNotMatch(environment, /API_KEYS|hidden-from-postgres/);
    assert.equal((await service.kill("SIGTERM")).code, 0);
    assert.deepEqual(processesNaming(closed), []);
  });

  test(
    "gets no capability from root where the way to it is open, since programs that it runs would have it too",
    { skip: canRunPrograms ? false : "only root has any to give; or the checkout is closed to others" },
    async () => {
      const dataDir = await folderWithCluster();
      await chmod(dataDir, 0o755);
      await start(dataDir);
      assert.equal((await readServer(dataDir)).capabilities, 0n);
    },
  );

  test(
    "says what is to be opened where root has no capability to give",
    { skip: isRoot ? false : "only root has any to give" },
    async () => {
      const dataDir = await folderWithCluster();
      await chmod(dataDir, 0o700);
      const { code, stderr } = await askReport(dataDir, ["setpriv", "--bounding-set=-dac_read_search"]);
      assert.equal(code, 1);
      assert.match(stderr, /cannot get to .+chmod o\+x/);
    },
  );

  test(
    "runs for an ordinary user",
    { skip: canBecomeNobody ? false : "the tests run as one already, or the checkout is closed to others" },
    async () => {
      const dataDir = await createTestFolder();
      await chown(dataDir, 65_534, 65_534);
      const child = spawn("setpriv", [...AS_NOBODY, process.execPath, "bin/pressrun.js", "serve"], {
        env: {
          PATH: process.env["PATH"] ?? "",
          PORT: "0",
          DATA_DIR: join(dataDir, "data"),
          EMBEDDED_PG_PORT: "0",
          LOG_LEVEL: "warn",
          NODE_COMPILE_CACHE: join(dataDir, "cache"),
        },
        stdio: ["ignore", "pipe", "pipe"],
      });
      const said = text(child.stderr);
      const exited = once(child, "exit") as Promise<[number]>;
      onCleanup(() => child.kill("SIGKILL"));
      let printed = "";
      for await (const chunk of child.stdout) {
        printed += String(chunk);
        if (printed.includes("psql")) break;
      }
      if (!printed.includes("listens on")) assert.fail(await said);
      child.kill("SIGTERM");
      assert.deepEqual((await exited)[0], 0);
      assert.deepEqual(processesNaming(dataDir), []);
    },
  );
});

const DEBIAN = "/usr/lib/postgresql/15/bin";

test(
  "PostgreSQL 15 does the main job as well",
  { skip: existsSync(join(DEBIAN, "initdb")) ? false : "Debian's postgresql-15 is not installed" },
  async () => {
    const folder = await createTestFolder();
    const cluster = join(folder, "cluster");
    await mkdir(cluster);
    const asServer = isRoot ? ["setpriv", ...AS_NOBODY] : ["env"];
    if (isRoot) {
      await chmod(folder, 0o755);
      await chown(cluster, 65_534, 65_534);
    }
    const run = (...command: string[]) => {
      const { status, stderr } = spawnSync(asServer[0] ?? "env", [...asServer.slice(1), ...command], { encoding: "utf8", cwd: "/" });
      assert.equal(status, 0, stderr);
    };
    run(join(DEBIAN, "initdb"), "-D", join(cluster, "data"), "-U", "pressrun", "-A", "trust", "-E", "UTF8", "--locale=C");
    const free = createServer().listen(0, "127.0.0.1");
    await once(free, "listening");
    const { port } = free.address() as AddressInfo;
    free.close();
    const control = (...words: string[]) =>
      run(join(DEBIAN, "pg_ctl"), "-D", join(cluster, "data"), "-w", "-l", join(cluster, "log"), ...words);
    control("-o", `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${cluster}`, "start");
    onCleanup(() => control("-m", "immediate", "stop"));

    const service = await startService({ DATABASE_URL: `postgres://pressrun@127.0.0.1:${port}/postgres`, DATA_DIR: join(folder, "data") });

    const origin = await startOrigin();
    const { requestId } = await service.upload(
      catalogueOf([[`${origin.url}/photo/1.jpg`, `${origin.url}/photo/1.jpg`], [`${origin.url}/gone.jpg`]]),
    );
    assert.deepEqual((await service.finished(requestId)).progress, {
      total: 3,
      completed: 2,
      failed: 1,
      skipped: 0,
      reused: 0,
      percent: 100,
    });
    assert.equal(existsSync(join(folder, "data", "postgres")), false, "nothing embedded was started");
    assert.equal((await service.kill("SIGTERM")).code, 0);
  },
);
