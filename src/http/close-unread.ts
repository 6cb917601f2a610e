import type { Server } from "node:http";
import type { Socket } from "node:net";

const LOOK_MS = 15_000;
/** From here on what waits is an answer held in memory, and no piece of a download: 300 that nobody read took 1 GB for as long as they liked. */
const LARGE_BYTES = 1024 * 1024;
const LARGE_STILL_MS = 120_000;
/**
 * Of what is read steadily nothing may be seen to move for a while: the kernel takes more once a third of its buffer is free, on loopback
 * 1.4 MB. So a download may come at 1 kB/s, to who works on each of its lines, and a large answer at 12.
 */
const STILL_MS = 30 * 60_000;

type Seen = { sent: number; waiting: number; looks: number };

/**
 * Ends connections whose answer has not moved for so long, since their client stopped reading or has vanished. Not by the sockets' own
 * timeouts: those of Node begin anew with each byte that a client sends, and end a request whose answer takes its time.
 */
export function closeUnread(server: Server): void {
  const connections = new Map<Socket, Seen>();
  server.on("connection", (socket: Socket) => {
    connections.set(socket, { sent: 0, waiting: 0, looks: 0 });
    socket.once("close", () => connections.delete(socket));
  });
  const timer = setInterval(() => {
    for (const [socket, seen] of connections) {
      const now = look(socket);
      const isStill = socket.writableLength > 0 && now.sent === seen.sent && now.waiting === seen.waiting;
      const looks = isStill ? seen.looks + 1 : 0;
      connections.set(socket, { ...now, looks });
      // By a reset: to HTTP/1.0 the end of a connection is the end of a body, and what the kernel has taken would wait on with it.
      if (looks * LOOK_MS >= (socket.writableLength > LARGE_BYTES ? LARGE_STILL_MS : STILL_MS)) socket.resetAndDestroy();
    }
  }, LOOK_MS).unref();
  server.once("close", () => clearInterval(timer));
}

/** What was sent of whole writes, and what waits of the current one, of which only the handle knows; Node's own timeouts ask it too. */
function look(socket: Socket): Omit<Seen, "looks"> {
  const handle = Reflect.get(socket, "_handle") as { writeQueueSize?: number } | null;
  return { sent: socket.bytesWritten - socket.writableLength, waiting: handle?.writeQueueSize ?? 0 };
}
