import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { test } from "node:test";
import pg from "pg";
import { takeOwnership } from "../../../src/db/connection/ownership.ts";
import { onCleanup } from "../../support/cleanup.ts";
import { createTestDatabase } from "../../support/database.ts";
import { eventually } from "../../support/eventually.ts";

test("an owner whose connection breaks waits until its own session has let go of the lock, and ends where another took it", async () => {
  const databaseUrl = await createTestDatabase();
  const admin = new pg.Client({ connectionString: databaseUrl });
  await admin.connect();
  onCleanup(() => admin.end());
  const holders = async () => {
    const { rows } = await admin.query<{ pid: number }>(
      "select pid from pg_locks where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())",
    );
    return rows.map(({ pid }) => pid);
  };
  const proxy = await startProxy(databaseUrl);
  let isLost = false;
  const ownership = await takeOwnership({ url: proxy.url, onLost: () => (isLost = true) });
  assert.ok(ownership);
  onCleanup(() => ownership.close());
  const [first] = await holders();

  proxy.breakClients();
  await eventually("two tries at the lock that is still held", async () => proxy.connections() >= 3);
  assert.deepEqual([await holders(), isLost], [[first], false]);
  proxy.endSessions();
  await eventually("the lock to be taken again", async () => (await holders()).some((pid) => pid !== first));
  assert.equal(isLost, false);

  const [lock] = (
    await admin.query<{ key: string }>(
      "select ((classid::int8 << 32) | objid::int8)::text as key from pg_locks where locktype = 'advisory'",
    )
  ).rows;
  const taken = admin.query("select pg_advisory_lock($1)", [lock?.key]);
  proxy.breakClients();
  proxy.endSessions();
  await taken;
  await eventually("the loss to be told", async () => isLost);
});

/** Before a database: clients can be cut off whose sessions go on. */
async function startProxy(databaseUrl: string) {
  const { hostname, port } = new URL(databaseUrl);
  const [clients, sessions]: [Socket[], Socket[]] = [[], []];
  let connections = 0;
  const server = createServer((client) => {
    connections += 1;
    const session = connect(Number(port), hostname);
    for (const socket of [client, session]) socket.on("error", () => {});
    client.on("data", (data) => session.write(data));
    client.on("end", () => session.end());
    session.on("data", (data) => client.write(data));
    clients.push(client);
    sessions.push(session);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const destroy = (sockets: Socket[]) => sockets.splice(0).forEach((socket) => socket.destroy());
  onCleanup(() => {
    for (const sockets of [clients, sessions]) destroy(sockets);
    server.close();
  });
  return {
    url: Object.assign(new URL(databaseUrl), { host: `127.0.0.1:${(server.address() as AddressInfo).port}` }).href,
    connections: () => connections,
    breakClients: () => destroy(clients),
    endSessions: () => destroy(sessions),
  };
}
