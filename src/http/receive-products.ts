import type { Readable } from "node:stream";
import type { FastifyRequest } from "fastify";
import { TABLE_LAYOUT } from "../csv/products-table.ts";
import { writeProducts } from "../intake/write-products.ts";
import { ProblemError } from "./problems.ts";
import { readableName, type ReceiveDeps, type ReceivedUpload } from "./receive-upload.ts";

/** Parsed at once, some 10 ms a megabyte: what is larger comes line by line. */
export const JSON_BYTES_MAX = 4 * 1024 * 1024;
/** One product. A thousand URLs of a thousand characters fit. */
const LINE_CHARS_MAX = 1024 * 1024;

/** Products or the address of a CSV, as one JSON document; what stands beside them are the options. */
export async function receiveJson(request: FastifyRequest, deps: ReceiveDeps): Promise<ReceivedUpload> {
  const body = parseBody(await readText(request.body as Readable, JSON_BYTES_MAX));
  const { products, csvUrl, recipe = {}, fileName, ...options } = body;
  if ((products === undefined) === (csvUrl === undefined)) throw invalid("Expected either `products` or `csvUrl`.");
  if (typeof recipe !== "object" || recipe === null || Array.isArray(recipe)) throw invalid('Expected recipe as an object such as {"format":"webp","quality":80}.');
  if (fileName !== undefined && typeof fileName !== "string") throw invalid("Expected fileName as text.");
  const fields = { ...(request.query as Record<string, unknown>), ...recipe, ...options };
  if (csvUrl !== undefined) return { ...(await fetchCsv(csvUrl, deps)), fields, layout: null };
  if (!Array.isArray(products)) throw invalid('Expected products as a list such as [{"id":"MUG-1","images":["https://…"]}].');
  return { ...(await store(products, deps)), fileName: readableName(fileName ?? ""), fields, layout: TABLE_LAYOUT };
}

/** A product a line, of any number; the options come in the query. */
export async function receiveNdjson(request: FastifyRequest, deps: ReceiveDeps): Promise<ReceivedUpload> {
  const stored = await store(parseLines(request.body as Readable, deps.uploadBytesMax), deps);
  return { ...stored, fileName: null, fields: { ...(request.query as Record<string, unknown>) }, layout: TABLE_LAYOUT };
}

async function store(products: AsyncIterable<unknown> | Iterable<unknown>, deps: ReceiveDeps): Promise<{ path: string; bytes: number }> {
  const path = deps.tempPath("csv");
  const written = await writeProducts(products, path);
  if (written.ok) return { path, bytes: written.bytes };
  const { problems, problemCount } = written;
  throw new ProblemError("invalid_products", `${problemCount === 1 ? "1 product is" : `${problemCount} products are`} not valid; \`errors\` lists ${problemCount > problems.length ? `the first ${problems.length}` : "each"}. Nothing was stored.`, { errors: problems, errorCount: problemCount });
}

async function fetchCsv(url: unknown, deps: ReceiveDeps): Promise<{ path: string; bytes: number; fileName: string | null }> {
  if (typeof url !== "string") throw invalid("Expected csvUrl as text.");
  const path = deps.tempPath("csv");
  const fetched = await deps.fetchCsv(url, path);
  if (!fetched.ok) throw new ProblemError("csv_url_failed", `The CSV at csvUrl could not be fetched (${fetched.code}): ${fetched.message}`, { errors: [{ field: "csvUrl", message: fetched.message }], errorCount: 1 });
  return { path, bytes: fetched.bytes, fileName: nameIn(url) };
}

/** The last part of the path, as it would be called on a disk. */
function nameIn(url: string): string | null {
  const last = new URL(url).pathname.split("/").at(-1) ?? "";
  try {
    return readableName(decodeURIComponent(last));
  } catch {
    return readableName(last);
  }
}

async function readText(source: Readable, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new ProblemError("upload_too_large", `Expected at most ${bytesMax} bytes of JSON; send larger batches as application/x-ndjson, a product a line, or as a CSV.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parseBody(text: string): Record<string, unknown> {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  } catch (error) {
    throw new ProblemError("bad_request", `Expected JSON, got what is none: ${error instanceof Error ? error.message.slice(0, 200).toWellFormed() : "it cannot be parsed"}.`);
  }
  throw invalid('Expected an object such as {"products":[{"id":"MUG-1","images":["https://…"]}]}.');
}

async function* parseLines(source: Readable, bytesMax: number): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  let rest = "";
  let bytes = 0;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new ProblemError("upload_too_large", `Expected at most ${bytesMax} bytes (UPLOAD_BYTES_MAX); split the products, or let the operator raise the limit.`);
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") yield parseLine(line);
    if (rest.length > LINE_CHARS_MAX) throw new ProblemError("upload_too_large", `Expected a product a line, each of at most ${LINE_CHARS_MAX} characters.`);
  }
  rest += decoder.decode();
  if (rest.trim() !== "") yield parseLine(rest);
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    return error instanceof Error ? new Error(error.message.slice(0, 200).toWellFormed()) : new Error("it cannot be parsed");
  }
}

function invalid(message: string): ProblemError {
  return new ProblemError("invalid_options", message);
}
