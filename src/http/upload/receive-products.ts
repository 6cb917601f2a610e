import { isUtf8 } from "node:buffer";
import type { Readable } from "node:stream";
import type { FastifyRequest } from "fastify";
import { TABLE_LAYOUT } from "../../csv/products-table.ts";
import { writeProducts } from "../../intake/write-products.ts";
import { ProblemError } from "../problems.ts";
import { readableName, readBody, uploadTooLarge, type ReceiveDeps, type ReceivedAddress, type ReceivedUpload } from "./receive-upload.ts";

/** Parsed at once, some 10 ms a megabyte: what is larger comes line by line. */
const JSON_BYTES_MAX = 4 * 1024 * 1024;
/** One product. A thousand URLs of a thousand characters fit. */
const LINE_BYTES_MAX = 1024 * 1024;

/** Products or the address of a CSV, as one JSON document; what stands beside them are the options. */
export async function receiveJson(request: FastifyRequest, deps: ReceiveDeps): Promise<ReceivedUpload | ReceivedAddress> {
  const body = parseBody(await readText(request.body as Readable, deps));
  const { products, csvUrl, recipe = {}, fileName, ...options } = body;
  if ((products === undefined) === (csvUrl === undefined)) throw invalid("Expected either `products` or `csvUrl`.");
  if (typeof recipe !== "object" || recipe === null || Array.isArray(recipe))
    throw invalid('Expected recipe as an object such as {"format":"webp","quality":80}.');
  if (fileName !== undefined && typeof fileName !== "string") throw invalid("Expected fileName as text.");
  const { metadata: keepMetadata, ...settings } = recipe as Record<string, unknown>;
  const query = request.query as Record<string, unknown>;
  const fields = together(query, settings, keepMetadata === undefined ? {} : { keepMetadata }, options);
  const received = { fields, fieldNames: { keepMetadata: "recipe/metadata" } };
  if (csvUrl !== undefined) {
    if (typeof csvUrl !== "string") throw invalid("Expected csvUrl as text.");
    return { csvUrl, ...received, layout: null };
  }
  if (!Array.isArray(products)) throw invalid('Expected products as a list such as [{"id":"MUG-1","images":["https://…"]}].');
  return { ...(await store(products, deps)), fileName: readableName(fileName ?? ""), ...received, layout: TABLE_LAYOUT };
}

/** What comes in two places comes twice, as in a form: it is refused by name, and none of it is passed over. */
function together(...places: Record<string, unknown>[]): Record<string, unknown> {
  const values = Map.groupBy(
    places.flatMap((place) => Object.entries(place)),
    ([name]) => name,
  );
  return Object.fromEntries(
    [...values].map(([name, given]) => [name, given.length === 1 ? given[0]?.[1] : given.map(([, value]) => value)]),
  );
}

/** A product a line, of any number; the options come in the query. */
export async function receiveNdjson(request: FastifyRequest, deps: ReceiveDeps): Promise<ReceivedUpload> {
  const stored = await store(parseLines(request.body as Readable, deps), deps);
  return { ...stored, fileName: null, fields: { ...(request.query as Record<string, unknown>) }, layout: TABLE_LAYOUT };
}

async function store(products: AsyncIterable<unknown> | Iterable<unknown>, deps: ReceiveDeps): Promise<{ path: string; bytes: number }> {
  const path = deps.tempPath("csv");
  const written = await writeProducts(products, path);
  if (written.ok) return { path, bytes: written.bytes };
  const { problems, problemCount } = written;
  throw new ProblemError(
    "invalid_products",
    `${problemCount === 1 ? "1 product is" : `${problemCount} products are`} not valid; \`errors\` lists ${problemCount > problems.length ? `the first ${problems.length}` : "each"}. Nothing was stored.`,
    { errors: problems, errorCount: problemCount },
  );
}

async function readText(source: Readable, { deadline }: ReceiveDeps): Promise<string> {
  const tooLarge = (bytesMax: number) =>
    new ProblemError(
      "upload_too_large",
      `Expected at most ${bytesMax} bytes of JSON; send larger batches as application/x-ndjson, a product a line, or as a CSV.`,
    );
  const chunks: Buffer[] = await readBody(source, { bytesMax: JSON_BYTES_MAX, deadline, tooLarge }).toArray();
  const bytes = Buffer.concat(chunks);
  if (!isUtf8(bytes))
    throw new ProblemError(
      "bad_request",
      "Expected JSON in UTF-8 (RFC 8259), got another encoding or what is no text; send it as it is, not packed, and in UTF-8.",
    );
  return withoutMark(bytes.toString());
}

/** RFC 8259 lets a reader pass over the byte order mark that PowerShell writes. */
function withoutMark(text: string): string {
  return text.startsWith("\uFEFF") ? text.slice(1) : text;
}

function parseBody(text: string): Record<string, unknown> {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  } catch (error) {
    throw new ProblemError(
      "bad_request",
      `Expected JSON, got something else: ${error instanceof Error ? error.message.slice(0, 200).toWellFormed() : "it cannot be parsed"}.`,
    );
  }
  throw invalid('Expected an object such as {"products":[{"id":"MUG-1","images":["https://…"]}]}.');
}

const LF = 0x0a;
const NOTHING = Buffer.alloc(0);

/** Cut as bytes, so that a line that is not UTF-8 is told by its number. */
async function* parseLines(source: Readable, { uploadBytesMax, deadline }: ReceiveDeps): AsyncGenerator<unknown> {
  let rest: Buffer = NOTHING;
  let number = 1;
  for await (const chunk of readBody(source, { bytesMax: uploadBytesMax, deadline, tooLarge: uploadTooLarge }) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, from)) {
      const line = rest.length === 0 ? chunk.subarray(from, at) : Buffer.concat([rest, chunk.subarray(from, at)]);
      rest = NOTHING;
      from = at + 1;
      yield* parseLine(line, number);
      number += 1;
    }
    rest = Buffer.concat([rest, chunk.subarray(from)]);
    if (rest.length > LINE_BYTES_MAX) throw lineTooLong(number);
  }
  yield* parseLine(rest, number);
}

/** The product of a line, or the error that says why there is none; nothing for a blank line. */
function* parseLine(bytes: Buffer, number: number): Generator<unknown> {
  if (bytes.length > LINE_BYTES_MAX) throw lineTooLong(number);
  if (!isUtf8(bytes)) return yield new Error("it is not in UTF-8");
  const text = number === 1 ? withoutMark(bytes.toString()) : bytes.toString();
  if (text.trim() === "") return;
  try {
    yield JSON.parse(text);
  } catch (error) {
    yield error instanceof Error ? new Error(error.message.slice(0, 200).toWellFormed()) : new Error("it cannot be parsed");
  }
}

function lineTooLong(number: number): ProblemError {
  return new ProblemError(
    "upload_too_large",
    `Expected a product a line, each of at most ${LINE_BYTES_MAX} bytes, got a longer one in line ${number}.`,
  );
}

function invalid(message: string): ProblemError {
  return new ProblemError("invalid_options", message);
}
