import { Readable } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import { BatchRemovedError } from "../../db/batches.ts";
import type { Log } from "../../observe/log.ts";

export type Exchange = { request: FastifyRequest; reply: FastifyReply };

export type MadeDeps = {
  log: Pick<Log, "error" | "info">;
  /** Aborted right before the stop of the service closes the connections that are still open. */
  cut: AbortSignal;
};

type Made = {
  headers: Record<string, string>;
  pieces: AsyncIterable<Buffer>;
  /** Called once nobody reads any more, also where nobody began: a generator that never began never ends. */
  onClose?(): void;
  /** Aborted with what `pieces` would throw, for one that stands still and asks for no piece. */
  failed?: AbortSignal;
};

/** Sends what is made meanwhile, without a length: a failure on the way breaks the connection, so that nobody takes a part for the whole. */
export function sendMade({ log, cut }: MadeDeps, { request, reply }: Exchange, { headers, pieces, onClose, failed }: Made): FastifyReply {
  const { socket, httpVersion } = request.raw;
  reply.headers({ ...headers, "x-content-type-options": "nosniff" });
  const body = Readable.from(request.method === "HEAD" ? [] : pieces, { objectMode: false });
  if (onClose) body.once("close", onClose);
  failed?.addEventListener("abort", () => body.destroy(failed.reason));
  const breakOff = (error: unknown) => {
    // A client that has gone ends it as well; and before the head is sent, a problem takes its place.
    if (socket.destroyed || !reply.raw.headersSent) return;
    const { url: route } = request.routeOptions;
    if (error instanceof BatchRemovedError) log.info({ route }, "a download broke off, since its batch was removed");
    else log.error({ err: error, route }, "a download broke off");
    // To HTTP/1.0 (nginx asks so by default) the end of the connection is the end of the body: only a reset tells it from a whole one.
    if (httpVersion === "1.0") socket.resetAndDestroy();
  };
  body.once("error", breakOff);
  // Until all of it is with the kernel: the last piece may wait for a slow client long after it was made.
  const onCut = () => breakOff(new Error("the service stopped before all of it was sent"));
  // A client that left while this was looked up will not leave again: its listener would stay for as long as the service runs.
  if (!reply.raw.closed) {
    cut.addEventListener("abort", onCut);
    reply.raw.once("close", () => cut.removeEventListener("abort", onCut));
  }
  return reply.send(body);
}
