import { subscribe } from "node:diagnostics_channel";
import type { ClientRequest, IncomingMessage } from "node:http";
import { afterEach } from "node:test";
import { findUndocumented, isJson, prepare, type Answer } from "./documented.ts";

/**
 * Holds every answer of a watched service, to whichever test and by whichever client, to openapi.json. With `fetch` a fault fails
 * at once; with any other client it fails the test at its end, since nobody may be there to catch it.
 */
export function watchAnswers(port: number): { end(): void } {
  prepare();
  ports.add(port);
  return { end: () => void ports.delete(port) };
}

/** For tests that speak with a socket of their own. */
export function demandDocumented(answer: Answer): void {
  const fault = findUndocumented(answer);
  if (fault === null) return;
  faults.push(fault);
  throw new Error(fault);
}

const ports = new Set<number>();
const faults: string[] = [];

afterEach(() => {
  if (faults.length > 0) throw new Error(faults.splice(0).join("\n\n"));
});

const plainFetch = globalThis.fetch;
globalThis.fetch = async (...given: Parameters<typeof fetch>) => {
  const request = new URL(given[0] instanceof Request ? given[0].url : given[0]);
  const response = await plainFetch(...given);
  // After a redirect the answer is from another path than was asked for.
  const { port, pathname, search } = response.redirected ? new URL(response.url) : request;
  if (!ports.has(Number(port))) return response;
  const contentType = response.headers.get("content-type");
  const retryAfter = response.headers.get("retry-after");
  const method = given[1]?.method ?? (given[0] instanceof Request ? given[0].method : "GET");
  const body = isJson(contentType?.split(";")[0] ?? "") ? await response.clone().text() : null;
  demandDocumented({ method: method.toUpperCase(), path: `${pathname}${search}`, status: response.status, contentType, retryAfter, body });
  return response;
};

subscribe("http.client.response.finish", (message) => {
  const { request, response } = message as { request: ClientRequest; response: IncomingMessage };
  if (!ports.has(response.socket.remotePort ?? 0)) return;
  const chunks: Buffer[] = [];
  // Not by a listener of our own, which would set the stream flowing before its reader is there.
  const push = response.push.bind(response);
  response.push = (chunk: Buffer | null, encoding?: BufferEncoding) => {
    if (chunk !== null) chunks.push(Buffer.from(chunk));
    else look();
    return push(chunk, encoding);
  };
  const look = () => {
    const fault = findUndocumented({
      method: request.method,
      path: request.path,
      status: response.statusCode ?? 0,
      contentType: response.headers["content-type"] ?? null,
      retryAfter: response.headers["retry-after"] ?? null,
      body: Buffer.concat(chunks).toString(),
    });
    if (fault !== null) faults.push(fault);
  };
});
