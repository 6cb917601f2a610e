import assert from "node:assert/strict";
import { test } from "node:test";
import { readConnectionLimit } from "../../src/db/connection/connection-limit.ts";
import { withOwnConnection } from "../../src/db/connection/own-connection.ts";
import { fitPool } from "../../src/wire/fit-connections.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";

test("the pool takes what the limit of connections leaves it, and the log says where that is less than it may need", () => {
  const said: object[] = [];
  const log = { warn: (event: object) => void said.push(event) };
  const fit = (role: "all" | "api" | "worker", connectionsMax: number) => fitPool({ role }, connectionsMax, log);
  assert.deepEqual([fit("all", Infinity), fit("all", 25), fit("api", 24), fit("worker", 18)], [16, 16, 16, 16]);
  assert.deepEqual(said, []);
  assert.deepEqual([fit("all", 24), fit("api", 14), fit("worker", 14), fit("all", 4)], [15, 6, 12, 4]);
  assert.deepEqual(said, [
    { pool: 15, connectionsMax: 24, needed: 25 },
    { pool: 6, connectionsMax: 14, needed: 24 },
    { pool: 12, connectionsMax: 14, needed: 18 },
    { pool: 4, connectionsMax: 4, needed: 25 },
  ]);
});

test("the least of what the server, the role and the database allow counts, of a superuser the server's alone", async () => {
  const url = new URL(await createTestDatabase());
  const name = url.pathname.slice(1);
  const admin = (sql: string) => withOwnConnection(process.env["TEST_POSTGRES_URL"] ?? "", (_, server) => server.executeSql(sql));
  const limit = () => withOwnConnection(url.href, (_, server) => readConnectionLimit(server));
  await admin(`alter database ${name} connection limit 30`);
  const ofServer = await limit();
  assert.ok(ofServer > 30 && Number.isInteger(ofServer), String(ofServer));
  await admin(`create role ${name} login password 'x'`);
  onCleanup(async () => void (await admin(`drop role ${name}`)));
  url.username = name;
  url.password = "x";
  assert.equal(await limit(), 30);
  await admin(`alter role ${name} connection limit 20`);
  assert.equal(await limit(), 20);
  await admin(`alter database ${name} connection limit -1`);
  await admin(`alter role ${name} connection limit -1`);
  assert.equal(await limit(), ofServer);
});

test("a server that does not tell its limits has none, and one that is away is not asked in vain", async () => {
  const refusing = (code: string) => ({ executeSql: () => Promise.reject(Object.assign(new Error("refused"), { code })) });
  assert.equal(await readConnectionLimit(refusing("42501")), Infinity);
  await assert.rejects(readConnectionLimit(refusing("57P01")), { code: "57P01" });
});
