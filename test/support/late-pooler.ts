import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { onCleanup } from "./cleanup.ts";

/**
 * A pooler before the database that loses each client the moment that one commits, and hands its COMMIT on only when it is told to.
 * At `url` clients find the database.
 */
export async function startLatePooler(databaseUrl: string) {
  const { hostname, port } = new URL(databaseUrl);
  const held: (() => void)[] = [];
  const pooler = createServer((client) => {
    const server = connect(Number(port), hostname);
    onCleanup(() => [client, server].forEach((socket) => socket.destroy()));
    for (const socket of [client, server]) socket.on("error", () => {});
    server.pipe(client);
    client.on("data", (data) => {
      if (!data.includes("commit\0")) return void server.write(data);
      server.unpipe(client);
      client.resetAndDestroy();
      held.push(() => server.write(data));
    });
    client.on("end", () => server.end());
  }).listen(0, "127.0.0.1");
  await once(pooler, "listening");
  onCleanup(() => pooler.close());
  return {
    url: Object.assign(new URL(databaseUrl), { host: `127.0.0.1:${(pooler.address() as AddressInfo).port}` }).href,
    /** Hands on every COMMIT that is held. */
    commit: () => held.splice(0).forEach((handOn) => handOn()),
  };
}
