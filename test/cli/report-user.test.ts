import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { migrateDatabase } from "../../src/db/connection/migrate.ts";
import { takeOwnership } from "../../src/db/connection/ownership.ts";
import { startEmbeddedPostgres } from "../../src/embedded/embedded-postgres.ts";
import { onCleanup } from "../support/cleanup.ts";
import { placeCluster } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

async function pressrun(words: string[], env: Record<string, string>): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ["bin/pressrun.js", ...words], { cwd: ROOT, env: { PATH: process.env["PATH"] ?? "", ...env } });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  return { code: code as number, stdout, stderr };
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on("error", () => {});
  await client.connect();
  onCleanup(() => client.end().catch(() => {}));
  return client;
}

/** PostgreSQL's own word for what it said. */
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "done",
    (error: pg.DatabaseError) => error.code ?? error.message,
  );

describe("a report user of the embedded database", () => {
  let owner: pg.Client;
  let env: Record<string, string>;
  let url: string;
  before(async () => {
    const dataDir = await createTestFolder();
    await placeCluster(dataDir);
    const postgres = await startEmbeddedPostgres({ dataDir, port: 0, log: () => {} });
    onCleanup(() => postgres.stop());
    // As a service, or each command would stop the server behind it.
    const ownership = await takeOwnership({ url: postgres.url, onLost: assert.fail });
    onCleanup(() => ownership?.close());
    owner = await connect(postgres.url);
    env = { DATA_DIR: dataDir, EMBEDDED_PG_PORT: "0" };
    const created = await pressrun(["report-user", "create", "analyst"], env);
    assert.equal(created.code, 0, created.stderr);
    url = created.stdout.trim();
  });

  test("gets a connection string, and reads every view with it", async () => {
    assert.match(url, /^postgres:\/\/analyst:[\w-]{32}@127\.0\.0\.1:\d+\/pressrun$/);
    const analyst = await connect(url);
    const { rows } = await analyst.query<{ name: string }>(
      "select relname as name from pg_class where relnamespace = 'report'::regnamespace",
    );
    assert.equal(rows.length, 14);
    // Found without the schema's name.
    for (const { name } of rows) await analyst.query(`select * from ${name}`);
    const {
      rows: [settings],
    } = await analyst.query(
      "select current_setting('default_transaction_read_only') as only, current_setting('statement_timeout') as timeout, current_setting('idle_in_transaction_session_timeout') as idle, current_setting('temp_file_limit') as files",
    );
    await analyst.end();
    assert.deepEqual(settings, { only: "on", timeout: "1min", idle: "1min", files: "1GB" });
  });

  const DENIED = "42501";
  const ATTEMPTS: [string, string[]][] = [
    [
      "reads tables",
      [
        "select * from public.batch",
        "select token from public.batch",
        "select secret from public.endpoint",
        "table public.product",
        "select * from pgboss.job",
        "select * from drizzle.__drizzle_migrations",
        "select count(*) from public.image",
        "copy public.endpoint to stdout",
        "select query_to_xml('select * from public.endpoint', true, true, '')",
        "select * from public.image_virtual_time",
        "select nextval('public.image_virtual_time')",
        "do $$ begin perform secret from public.endpoint; end $$",
        "do $$ begin lock table public.batch; end $$",
      ],
    ],
    [
      "writes to views",
      [
        "insert into report.version values (2)",
        "update report.delivery_attempts set detail = ''",
        "delete from report.savings",
        "update report.batches set status = 'failed'",
        "truncate report.batches",
        "copy report.version from stdin",
        "select * from report.delivery_attempts for update",
        "create or replace view report.version as select 2 as version",
        "drop view report.version",
        "alter view report.version rename to v",
        "comment on view report.version is ''",
      ],
    ],
    [
      "makes things",
      [
        "create table t (a int)",
        "create table public.t (a int)",
        "create table report.t (a int)",
        "create temp table t (a int)",
        "create schema s",
        "create function f() returns int language sql as 'select 1'",
        "create function pg_temp.f() returns int language sql as 'select 1'",
        "create view v as select 1",
        "create role other",
        "create database other",
        "create extension dblink",
        "create publication p for all tables",
        "create server s foreign data wrapper postgres_fdw",
        "select lo_create(0)",
        "select lo_from_bytea(0, 'x')",
        "create event trigger e on ddl_command_start execute function f()",
      ],
    ],
    [
      "reaches the server",
      [
        "select pg_read_file('/etc/passwd')",
        "select pg_ls_dir('.')",
        "select pg_stat_file('PG_VERSION')",
        "copy (select 1) to program 'id'",
        "copy (select 1) to '/tmp/pressrun-breakout'",
        "copy report.version from '/etc/passwd'",
        "select lo_import('/etc/passwd')",
        "select lo_export(1, '/tmp/pressrun-breakout')",
        "load '/tmp/x.so'",
        "alter system set work_mem = '1GB'",
        "select pg_reload_conf()",
        "select pg_rotate_logfile()",
        "checkpoint",
        "select pg_switch_wal()",
        "select current_setting('data_directory')",
        "select pg_create_physical_replication_slot('s')",
        "select pg_logical_emit_message(false, 'x', 'y')",
        "set log_statement = 'none'",
        "set temp_file_limit = -1",
        "alter role analyst set temp_file_limit = -1",
      ],
    ],
    [
      "becomes another",
      [
        "set role pressrun",
        "set session authorization pressrun",
        "grant pressrun to analyst",
        "alter role analyst superuser",
        "alter role analyst createrole",
        "alter role analyst connection limit 1000",
        "alter role pressrun password 'x'",
        "reassign owned by pressrun to analyst",
        "select rolpassword from pg_authid",
        "select passwd from pg_shadow",
        "select * from pg_user_mapping",
        "alter database pressrun set work_mem = '1GB'",
        "set session_replication_role = replica",
      ],
    ],
    [
      "holds us up",
      [
        "select pg_advisory_lock(8102099357864814446)",
        "select pg_try_advisory_lock(8102099357864587886)",
        "select pg_advisory_xact_lock(8102099357864912227)",
        "select pg_try_advisory_xact_lock(1, 2)",
        "select pg_advisory_lock_shared(8102099357864587886)",
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'pressrun'",
        "select pg_cancel_backend(pid) from pg_stat_activity where usename = 'pressrun'",
        "select pg_notify('pressrun_hosts', 'x')",
      ],
    ],
  ];
  for (const [what, statements] of ATTEMPTS) {
    test(`never ${what}, whatever it sets first`, async () => {
      const analyst = await connect(url);
      // What a session sets for itself is no wall: only rights are.
      await analyst.query(
        "set default_transaction_read_only = off; set statement_timeout = 0; set search_path = report, public, pg_catalog",
      );
      for (const statement of statements) {
        const said = await codeOf(analyst.query(statement));
        // 42501 no right; 3F000 no schema to make it in; 42704 and 42883 no such thing here; 0A000 not of a view; 55000 a view
        // that cannot be written.
        assert.ok(
          said === DENIED ||
            (/^(create|update|insert|delete|truncate|lock|select \* from report)/.test(statement) &&
              ["3F000", "42704", "42809", "42883", "0A000", "55000", "0LP01"].includes(said)),
          `${statement}: ${said}`,
        );
      }
      // Says no more than a warning where there is nothing to give.
      await analyst.query("grant all on all tables in schema report to public");
      await analyst.end();
      const { rows } = await owner.query(
        "select count(*)::int as n from pg_class where relname = 't' union all select count(*)::int from information_schema.role_table_grants where grantee = 'PUBLIC' and table_schema = 'report' union all select count(*)::int from pg_largeobject_metadata union all select version from report.version",
      );
      assert.deepEqual(
        rows.map(({ n }) => n as number),
        [0, 0, 0, 1],
      );
    });
  }

  test("sees of others' sessions neither statements nor addresses", async () => {
    const analyst = await connect(url);
    const { rows } = await analyst.query("select distinct query, client_addr from pg_stat_activity where usename = 'pressrun'");
    await analyst.end();
    assert.deepEqual(rows, [{ query: "<insufficient privilege>", client_addr: null }]);
  });

  test("gets into no other database of the server", async () => {
    for (const other of ["postgres", "template1"]) {
      assert.equal(await codeOf(connect(Object.assign(new URL(url), { pathname: `/${other}` }).href)), DENIED, other);
    }
  });

  test("is stopped in a query that takes too long, and takes ten connections and no more", async () => {
    const analyst = await connect(url);
    await analyst.query("set statement_timeout = 50");
    assert.equal(await codeOf(analyst.query("select count(*) from generate_series(1, 10000000000)")), "57014");
    const open = [analyst];
    while (open.length < 10) open.push(await connect(url));
    assert.equal(await codeOf(connect(url)), "53300");
    for (const client of open) await client.end();
    await eventually(
      "the sessions to end",
      async () => (await owner.query("select 1 from pg_stat_activity where usename = 'analyst'")).rowCount === 0,
    );
  });

  test("has views that a later version adds as well", async () => {
    await owner.query("create view report.later as select 1 as one");
    try {
      const analyst = await connect(url);
      assert.equal(await codeOf(analyst.query("select * from report.later")), "done");
      await analyst.end();
    } finally {
      await owner.query("drop view report.later");
    }
  });

  test("is nobody that is there already, and no name that would have to be quoted", async () => {
    for (const [words, said] of [
      [["create", "analyst"], /There is a role "analyst" already.+report-user rotate analyst/],
      [["create", "pressrun"], /already. Take another name.\n/],
      [["rotate", "pressrun"], /was not made by.+left alone/],
      [["drop", "pressrun"], /was not made by.+left alone/],
      [["drop", "nobody_here"], /no role "nobody_here"/],
      [["create", "Robert'); drop table batch; --"], /lower-case letters/],
      [["create", "pg_monitor"], /lower-case letters/],
      [["create", "public"], /lower-case letters/],
      [["create"], /missing required argument 'NAME'/],
      [["destroy", "analyst"], /unknown command 'destroy'/],
    ] as [string[], RegExp][]) {
      const { code, stdout, stderr } = await pressrun(["report-user", ...words], env);
      assert.deepEqual([code === 0, stdout], [false, ""], words.join(" "));
      assert.match(stderr, said);
    }
    const { rows } = await owner.query("select rolname from pg_roles where rolcanlogin order by 1");
    assert.deepEqual(
      rows.map(({ rolname }) => rolname as string),
      ["analyst", "pressrun"],
    );
  });

  test("with a new password ends the old one's sessions, and is gone without a trace when dropped", async () => {
    const before = await connect(url);
    // As of an earlier version.
    await owner.query("alter role analyst reset temp_file_limit");
    const rotated = await pressrun(["report-user", "create", "analyst", "--rotate"], env);
    assert.equal(rotated.code, 0, rotated.stderr);
    assert.notEqual(rotated.stdout.trim(), url);
    assert.equal(await codeOf(connect(url)), "28P01");
    await eventually("the old session to end", async () => (await codeOf(before.query("select 1"))) !== "done");
    const after = await connect(rotated.stdout.trim());
    assert.deepEqual((await after.query("show temp_file_limit")).rows, [{ temp_file_limit: "1GB" }]);
    assert.equal(await codeOf(after.query("select * from batches")), "done");
    const dropped = await pressrun(["report-user", "drop", "analyst"], env);
    assert.equal(dropped.code, 0, dropped.stderr);
    await eventually("its session to end", async () => (await codeOf(after.query("select 1"))) !== "done");
    const { rows } = await owner.query("select 1 from pg_roles where rolname = 'analyst' union all select 1 from pg_default_acl");
    assert.deepEqual(rows, []);
    // The server has been told no password at any time.
    assert.equal(
      (
        await owner.query("select 1 from pg_stat_activity where query like '%' || $1 || '%' and pid <> pg_backend_pid()", [
          new URL(url).password,
        ])
      ).rowCount,
      0,
    );
  });
});

describe("a report user on a server of others", () => {
  let server: pg.Client;
  before(async () => {
    server = await connect(process.env["TEST_POSTGRES_URL"] ?? "");
  });

  /** A database that a role of its own owns, migrated by it. */
  const ownedDatabase = async (rights: string) => {
    const name = `shared_${randomBytes(6).toString("hex")}`;
    await server.query(`create role ${name} login ${rights} password 'secret'`);
    await server.query(`create database ${name} owner ${name}`);
    onCleanup(async () => {
      await server.query(`drop database ${name} with (force)`);
      await server.query(`drop role ${name}`);
    });
    const url = Object.assign(new URL(process.env["TEST_POSTGRES_URL"] ?? ""), {
      username: name,
      password: "secret",
      pathname: `/${name}`,
    }).href;
    await migrateDatabase(url);
    return { name, url };
  };

  test("is made by a role that may make roles, which is told what it could not close", async () => {
    const { name, url } = await ownedDatabase("createrole");
    const user = `${name}_bi`;
    const { code, stdout, stderr } = await pressrun(["report-user", "create", user], { DATABASE_URL: url });
    assert.equal(code, 0, stderr);
    assert.match(stderr, /a superuser runs.+\nalter role "\S+_bi" set temp_file_limit = '1GB';\n.*revoke execute on function/s);
    const analyst = await connect(stdout.trim());
    await analyst.query("set default_transaction_read_only = off");
    assert.equal(await codeOf(analyst.query("select * from report.batches")), "done");
    for (const statement of [
      "select * from public.batch",
      "create temp table t (a int)",
      "create table public.t (a int)",
      "select * from drizzle.__drizzle_migrations",
    ])
      assert.equal(await codeOf(analyst.query(statement)), "42501", statement);

    // As a dump without rights leaves it, where the server still has the role.
    const owned = await connect(url);
    await owned.query(
      `revoke usage on schema report from ${user}; revoke select on all tables in schema report from ${user}; alter default privileges in schema report revoke select on tables from ${user}; grant temporary on database ${name} to public`,
    );
    assert.notEqual(await codeOf(analyst.query("select * from report.batches")), "done");
    const rotated = await pressrun(["report-user", "rotate", user], { DATABASE_URL: url });
    assert.equal(rotated.code, 0, rotated.stderr);
    await eventually("the old session to end", async () => (await codeOf(analyst.query("select 1"))) !== "done");
    await owned.query("create view report.later as select 1 as one");
    const again = await connect(rotated.stdout.trim());
    for (const view of ["batches", "later"]) assert.equal(await codeOf(again.query(`select * from ${view}`)), "done", view);
    await again.query("set default_transaction_read_only = off");
    assert.equal(await codeOf(again.query("create temp table t (a int)")), "42501");
    await again.end();

    const other = await ownedDatabase("createrole");
    const taken = await pressrun(["report-user", "create", user], { DATABASE_URL: other.url });
    assert.ok(taken.stderr.includes(`already, for the reports of the database ${name}. Take another name.`), taken.stderr);
    assert.doesNotMatch(taken.stderr, /rotate/);

    const dropped = await pressrun(["report-user", "drop", user], { DATABASE_URL: url });
    assert.equal(dropped.code, 0, dropped.stderr);
    assert.equal((await server.query("select 1 from pg_roles where rolname = $1", [user])).rowCount, 0);
  });

  test("is left to an administrator where the role may not make roles, who is told how", async () => {
    const { name, url } = await ownedDatabase("");
    const user = `${name}_bi`;
    const { code, stdout, stderr } = await pressrun(["report-user", "create", user], { DATABASE_URL: url });
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /needs CREATEROLE/);
    const [, sql = ""] = /in this database:\n\n(.+?)\n\nThen/s.exec(stderr) ?? [];
    const [, connection = ""] = /connection string is\n\n(\S+)/.exec(stderr) ?? [];
    const admin = await connect(Object.assign(new URL(process.env["TEST_POSTGRES_URL"] ?? ""), { pathname: `/${name}` }).href);
    await admin.query(sql);
    const analyst = await connect(connection);
    assert.equal(await codeOf(analyst.query("select * from batches")), "done");
    assert.equal(await codeOf(analyst.query("select * from public.batch")), "42501");
    await analyst.end();
    const refused = await pressrun(["report-user", "drop", user], { DATABASE_URL: url });
    assert.equal(refused.code, 1);
    const [, removal = ""] = /in this database:\n\n(.+)/s.exec(refused.stderr) ?? [];
    await admin.query(removal);
    await admin.end();
    assert.equal((await server.query("select 1 from pg_roles where rolname = $1", [user])).rowCount, 0);
  });

  test("needs the reports to be there", async () => {
    const name = `empty_${randomBytes(6).toString("hex")}`;
    await server.query(`create database ${name}`);
    onCleanup(() => server.query(`drop database ${name} with (force)`));
    const url = Object.assign(new URL(process.env["TEST_POSTGRES_URL"] ?? ""), { pathname: `/${name}` }).href;
    for (const words of [
      ["report-user", "create", `${name}_bi`],
      ["report", "batches"],
    ]) {
      const { code, stderr } = await pressrun(words, { DATABASE_URL: url });
      assert.equal(code, 1);
      assert.match(stderr, /no reports yet: run `pressrun migrate`/);
    }
  });
});
