import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Problem } from "../contract/problem.ts";
import { PROBLEMS, type ProblemCode } from "../domain/problem.ts";
import { ProblemError, sendProblem } from "./problems.ts";

// Not by `import`, which asks for all that the module has: Node loads its WebSocket for that, 0.05 s of CPU.
const { maxHeaderSize: HEAD_BYTES_MAX, STATUS_CODES } = process.getBuiltinModule("node:http");
export { HEAD_BYTES_MAX };

/** Answers bytes that never became a request as every other problem is answered, and ends their connection. */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  // A second answer in the middle of one that has begun would be taken for a part of it. Node's own default asks the same.
  const current = Reflect.get(socket, "_httpMessage") as ServerResponse | null | undefined;
  if (socket.writable && current?.headersSent !== true) socket.write(answerOf(error.code ?? ""));
  socket.destroySoon();
}

function answerOf(parserCode: string): string {
  const [code, detail] = explain(parserCode);
  const { status, title } = PROBLEMS[code];
  const problem: Problem = { type: "about:blank", title, status, detail, code };
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    "content-type: application/problem+json",
    `content-length: ${Buffer.byteLength(body)}`,
    "cache-control: no-store",
    "connection: close",
  ];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}

function explain(parserCode: string): [ProblemCode, string] {
  switch (parserCode) {
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return ["request_timeout", "The request line and headers did not come in time."];
    case "HPE_HEADER_OVERFLOW":
      return [
        "headers_too_large",
        `Expected at most ${HEAD_BYTES_MAX} bytes of request line and headers, got more; long lists go into the body.`,
      ];
    case "CONNECT":
      return ["method_not_allowed", "Expected a request for a path of this service, got CONNECT, which asks for a proxy."];
    default:
      return [
        "bad_request",
        `Expected a request of HTTP/1.1 (RFC 9112), got what cannot be read${parserCode === "" ? "" : ` (${parserCode})`}.`,
      ];
  }
}

/** Node would close a CONNECT without a word, and answer an unknown Expect bare; RFC 9110 §10.1.1 lets a server pass over it. */
export function answerOddRequests(server: Server): void {
  server.on("connect", (_request, socket: Duplex) => {
    socket.end(answerOf("CONNECT"));
  });
  server.on("checkExpectation", (request, response) => server.emit("request", request, response));
}

/** What the router refuses before there is a route. */
export function refusePath(error: Error & { code?: string }, request: FastifyRequest, reply: FastifyReply): void {
  const detail =
    error.code === "FST_ERR_BAD_URL"
      ? "Expected a path in which each % begins the two digits of a byte of UTF-8 (RFC 3986), got another."
      : error.message;
  sendProblem(request, reply, new ProblemError("bad_request", detail));
}
