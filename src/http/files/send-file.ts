import { close, createReadStream, open, read, type ReadStream } from "node:fs";
import { Readable } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { StoredFile } from "../../storage/storage.ts";
import { problemResponses } from "../problem-responses.ts";
import { ProblemError } from "../problems.ts";
import type { Exchange, MadeDeps } from "./send-made.ts";

type SendableFile = StoredFile & {
  mediaType: string;
  etag: string;
  cacheControl: string;
  disposition: string;
};

export type SendDeps = Pick<MadeDeps, "log">;

/** What sendFile() answers in the place of the whole file, for the document. */
export function partialResponses(content: object) {
  return {
    206: {
      description: "The part that Range asked for.",
      headers: { ...fileHeaders, "Content-Range": { type: "string", description: "Which part of how many bytes." } },
      content,
    },
    304: { description: "The copy that If-None-Match or If-Modified-Since told of is fresh.", type: "null" },
    412: problemResponses(["precondition_failed"])[412],
  };
}

export const fileHeaders = {
  ETag: { type: "string", description: "Changes with the content." },
};

/** Sends a file as RFC 9110 says: HEAD, conditional requests, and a single range. */
export function sendFile({ log }: SendDeps, { request, reply }: Exchange, file: SendableFile): FastifyReply {
  reply.headers({
    etag: file.etag,
    "last-modified": file.modifiedAt.toUTCString(),
    "cache-control": file.cacheControl,
    "accept-ranges": "bytes",
    "content-disposition": file.disposition,
    // Whatever a file holds, a browser shows it as what we say it is, and runs nothing in it.
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "cross-origin",
  });
  if (isAnother(request, file))
    throw new ProblemError("precondition_failed", `Expected a condition that ${file.etag} meets; ask without it to get the file as it is.`);
  if (isFresh(request, file)) return reply.code(304).send();
  const range = isRangeWanted(request, file) ? readRange(request.headers.range ?? "", file.bytes) : null;
  if (range === "outside") {
    throw new ProblemError("range_not_satisfiable", `Expected a range within ${file.bytes} bytes.`, {
      headers: { "content-range": `bytes */${file.bytes}` },
    });
  }
  const { start, end } = range ?? { start: 0, end: file.bytes - 1 };
  if (range) reply.code(206).header("content-range", `bytes ${start}-${end}/${file.bytes}`);
  reply.type(file.mediaType).header("content-length", end - start + 1);
  // An empty stream and not nothing: Fastify would write a length of 0 for that.
  if (request.method === "HEAD" || file.bytes === 0) return reply.send(Readable.from([]));
  const body = readAll(file.path, { start, end });
  body.once("error", (err) => {
    // As in sendMade(): the client may have gone, and before the head is sent a problem takes its place.
    if (!request.raw.socket.destroyed && reply.raw.headersSent) log.error({ err, route: request.routeOptions.url }, "a download broke off");
  });
  return reply.send(body);
}

/**
 * Fails where the file ends before its range does, which a stream would take for its own end: the client was told of more bytes, and
 * would wait for them until its patience ends. Nothing is read once all of the range is there.
 */
function readAll(path: string, range: { start: number; end: number }): ReadStream {
  const readSome = (fd: number, buffer: Buffer, offset: number, length: number, position: number, done: Done) =>
    read(fd, buffer, offset, length, position, (error, bytes) => done(error ?? (bytes === 0 ? endsEarly(path) : null), bytes, buffer));
  return createReadStream(path, { ...range, fs: { open, read: readSome, close } });
}

type Done = (error: Error | null, bytes: number, buffer: Buffer) => void;

/** To a client the same as a disk that gives an error. */
function endsEarly(path: string): Error {
  return Object.assign(new Error(`${path} ends before the bytes that it is said to have`), { code: "EIO", syscall: "read" });
}

/** If-Match decides where it is given, else If-Unmodified-Since (RFC 9110 §13.2.2); our tags are strong, and a weak one matches none. */
function isAnother({ headers }: FastifyRequest, file: SendableFile): boolean {
  const match = headers["if-match"];
  if (match !== undefined) return match.trim() !== "*" && !match.split(",").some((tag) => tag.trim() === file.etag);
  const since = parseHttpDate(headers["if-unmodified-since"]);
  return !Number.isNaN(since) && inSeconds(file.modifiedAt) > since;
}

/** If-None-Match decides where it is given, else If-Modified-Since (RFC 9110 §13.2.2). */
function isFresh(request: FastifyRequest, file: SendableFile): boolean {
  const none = request.headers["if-none-match"];
  if (none !== undefined) return none.trim() === "*" || none.split(",").some((tag) => tag.trim().replace(/^W\//, "") === file.etag);
  const since = parseHttpDate(request.headers["if-modified-since"]);
  return !Number.isNaN(since) && inSeconds(file.modifiedAt) <= since;
}

/** NaN for what is no date as HTTP has it (RFC 9110 §5.6.7), of which every form begins with the day of the week: Date.parse() takes a 0 for a year. */
function parseHttpDate(text = ""): number {
  return /^(mon|tue|wed|thu|fri|sat|sun)/i.test(text) ? Date.parse(text) : NaN;
}

/** As precisely as Last-Modified tells it, in milliseconds. */
function inSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1_000) * 1_000;
}

function isRangeWanted(request: FastifyRequest, file: SendableFile): boolean {
  if (request.headers.range === undefined || request.method !== "GET") return false;
  const condition = request.headers["if-range"];
  return condition === undefined || condition === file.etag;
}

/** One range; what cannot be read, or asks for several, is answered with the whole file as the RFC allows. */
function readRange(header: string, bytes: number): { start: number; end: number } | "outside" | null {
  const [, from, to] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header.trim()) ?? [];
  if (from === undefined || to === undefined || (from === "" && to === "")) return null;
  if (from === "") return Number(to) === 0 ? "outside" : { start: Math.max(0, bytes - Number(to)), end: bytes - 1 };
  const start = Number(from);
  const end = to === "" ? bytes - 1 : Math.min(Number(to), bytes - 1);
  if (to !== "" && Number(to) < start) return null;
  return start >= bytes ? "outside" : { start, end };
}
