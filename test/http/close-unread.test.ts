import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { closeUnread } from "../../src/http/close-unread.ts";
import { onCleanup } from "../support/cleanup.ts";
import { eventually } from "../support/eventually.ts";

const LOOK_MS = 15_000;
const ANSWER = Buffer.alloc(128 * 1024 * 1024);

test("an answer that nobody reads is broken off after two minutes, a piece of a download after thirty, and one that is read or awaited never", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const open = new Map<string, Socket>();
  const server = createServer((request, response) => {
    open.set(request.url ?? "", request.socket);
    if (request.url === "/whole" || request.url === "/read") response.end(ANSWER);
    // As a download: no more than a piece waits here.
    else if (request.url === "/piece") {
      const piece = Buffer.alloc(64 * 1024);
      const more = () => void (response.write(piece) ? more() : response.once("drain", more));
      more();
    }
  });
  closeUnread(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onCleanup(() => void server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  const ask = (path: string) => {
    const client = connect(port, "127.0.0.1").pause();
    client.on("error", () => {});
    client.write(`GET ${path} HTTP/1.1\r\nhost: h\r\n\r\n`);
    onCleanup(() => client.destroy());
    return client;
  };
  const reader = ask("/read");
  const unread = ask("/whole");
  for (const path of ["/piece", "/awaited"]) ask(path);
  await eventually("all were asked", async () => open.size === 4, 5_000);
  const waiting = (path: string) => (Reflect.get(open.get(path) ?? {}, "_handle") as { writeQueueSize: number }).writeQueueSize;
  // What the kernel takes at first, it takes within some milliseconds.
  for (const path of ["/whole", "/read", "/piece"]) {
    let last = 0;
    await eventually(`${path} stands still`, async () => {
      const before = last;
      last = waiting(path);
      return last > 0 && last === before;
    });
  }
  const ended = () => [...open].filter(([, socket]) => socket.destroyed).map(([path]) => path);
  const looks = async (count: number) => {
    for (let look = 0; look < count; look += 1) {
      const before = waiting("/read");
      assert.ok(before > 0);
      // As seldom as it may be: its answer has an end, and a kernel may take megabytes of it at once.
      while (look % 7 === 0 && waiting("/read") === before) if (reader.read() === null) await once(reader, "readable");
      t.mock.timers.tick(LOOK_MS);
    }
  };
  await looks(8);
  assert.deepEqual(ended(), []);
  await looks(1);
  assert.deepEqual(ended(), ["/whole"]);
  await assert.rejects(buffer(unread), /ECONNRESET/);
  await looks(111);
  assert.deepEqual(ended().toSorted(), ["/whole"]);
  await looks(1);
  assert.deepEqual(ended().toSorted(), ["/piece", "/whole"]);
});
