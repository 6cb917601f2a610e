import type { FastifyReply } from "fastify";
import { ProblemError } from "./problems.ts";

/** Aborts when the client has gone before it had its answer. Its reason may be thrown: nobody is there to read it, and it wakes nobody. */
export function goneSignal({ raw: response }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) gone.abort(new ProblemError("bad_request", "The connection ended before the answer was ready."));
  });
  return gone.signal;
}
