import type { IncomingMessage } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";

/** A client that is refused reads its answer within this, though it may send on meanwhile. */
export const LINGER_MS = 5_000;

/**
 * What still comes of a refused body is read and dropped: unread, it would hold up the next request on its connection,
 * and closing at once can cost the client its answer. A client that goes on and on is cut off.
 */
export function readOff(request: IncomingMessage): void {
  const { socket } = request;
  request.unpipe();
  request.resume();
  if (request.complete) return;
  const cutOff = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  request.once("close", () => clearTimeout(cutOff));
}

/**
 * Before an answer that ends its connection (Python's urllib wants that of every one), the body is read to its end: with
 * bytes on the way the close becomes a reset, and the client gets "broken pipe" in the place of the reason.
 */
export async function readOffBeforeClose({ raw: request }: FastifyRequest, { raw: response }: FastifyReply): Promise<void> {
  if (response.shouldKeepAlive || request.complete || request.destroyed) return;
  readOff(request);
  await new Promise((resolve) => request.once("end", resolve).once("close", resolve));
}
