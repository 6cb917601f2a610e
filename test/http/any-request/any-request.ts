import { gzipSync } from "node:zlib";
import fc from "fast-check";
import type { MediaType, Operation, Parameter } from "../../support/openapi-document.ts";
import { garbage, garbageText, nearly, valuesOf, type Known, type Schema } from "./from-schema.ts";

export type AnyRequest = { method: string; path: string; headers: Record<string, string>; body: Buffer | null };

const BOUNDARY = "edge";
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
const TYPES = [
  "application/json",
  "application/json; charset=utf-16",
  "text/csv",
  "text/plain",
  "application/x-ndjson",
  "application/gzip",
  "application/octet-stream",
  "multipart/form-data",
  `multipart/form-data; boundary=${BOUNDARY}`,
  "multipart/mixed; boundary=x",
  "application/x-www-form-urlencoded",
  "image/png",
  "text",
  ";",
  "",
];

/** Requests for an operation: most are as the document says or nearly so, some are anything. */
export function requestsFor(
  { method, template, operation }: { method: string; template: string; operation: Operation },
  known: Known,
): fc.Arbitrary<AnyRequest> {
  const parameters = operation.parameters ?? [];
  const paths = fc
    .tuple(
      ...template.split(/(\{[^}]+\})/).map((part) => {
        const parameter = parameters.find(({ name }) => part === `{${name}}`);
        return parameter
          ? fc.oneof(
              { weight: 6, arbitrary: valuesOf(parameter.schema, known, parameter.name).map((value) => encode(String(value))) },
              { weight: 1, arbitrary: pathGarbage },
            )
          : fc.constant(part);
      }),
    )
    .map((parts) => parts.join(""));
  const { content, required = false } = operation.requestBody ?? { content: {} };
  const bodies = fc.oneof(
    { weight: Object.keys(content).length === 0 ? 0 : 9, arbitrary: documentedBodies(content, known) },
    { weight: required ? 1 : 9, arbitrary: fc.constant(NO_BODY) },
    { weight: 1, arbitrary: strangeBodies },
  );
  const methods = fc.oneof({ weight: 20, arbitrary: fc.constant(method) }, { weight: 1, arbitrary: fc.constantFrom(...METHODS) });
  return fc
    .record({
      method: methods,
      path: paths,
      query: queries(
        parameters.filter((one) => one.in === "query"),
        known,
      ),
      headers,
      body: bodies,
    })
    .map(({ method, path, query, headers, body }) => ({
      method,
      path: `${path}${query}`,
      body: body.bytes,
      headers: {
        ...headers,
        ...(body.type === null ? {} : { "content-type": body.type }),
        ...(body.bytes === null ? {} : { "content-length": String(body.bytes.length) }),
      },
    }));
}

function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

const pathGarbage = fc.oneof(
  garbageText.map(encode),
  fc.constantFrom("%", "%zz", "%00", "%ff", "..", ".", "..%2f..", "%2e%2e", "*", "a;b", "'", "x".repeat(1_000)),
);

function queries(parameters: Parameter[], known: Known): fc.Arbitrary<string> {
  const pairs = parameters.map(({ name, schema }) =>
    fc.tuple(
      fc.constant(name),
      fc
        .oneof({ weight: 5, arbitrary: valuesOf(schema, known, name) }, { weight: 1, arbitrary: garbage })
        .map((value) => (Array.isArray(value) ? value.map(asText) : [asText(value)])),
    ),
  );
  const some = pairs.length === 0 ? fc.constant([]) : fc.oneof(fc.constant([]), fc.array(fc.oneof(...pairs), { maxLength: 3 }));
  const more = fc.oneof(
    { weight: 8, arbitrary: fc.constant("") },
    { weight: 1, arbitrary: fc.tuple(garbageText, garbageText).map(([name, value]) => `${encode(name)}=${encode(value)}`) },
    { weight: 1, arbitrary: fc.constantFrom("&&&", "=", "%", "a[b][c]=1", "__proto__=1", "constructor=x", "sourceHeaders=[]", "?") },
  );
  return fc.tuple(some, more).map(([given, rest]) => {
    const text = [
      ...given.flatMap(([name, values]) => values.map((value) => `${name}=${encode(value)}`)),
      ...(rest === "" ? [] : [rest]),
    ].join("&");
    return text === "" ? "" : `?${text}`;
  });
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

/** What a header may hold. */
const headerText = garbageText.map((text) => text.replaceAll(/[^\x20-\x7e\xa0-\xff]/g, "").slice(0, 500));
const HEADERS: Record<string, fc.Arbitrary<string>> = {
  accept: fc.oneof(fc.constantFrom("*/*", "application/json", "image/webp"), headerText),
  range: fc.oneof(fc.constantFrom("bytes=0-9", "bytes=-1", "bytes=999999999-", "bytes=5-1", "bytes=0-0,2-3"), headerText),
  "if-none-match": fc.oneof(fc.constantFrom("*", '"x"', 'W/"x"'), headerText),
  "if-modified-since": fc.oneof(fc.constantFrom("Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"), headerText),
  "if-range": headerText,
  authorization: fc.oneof(fc.constantFrom("Bearer x", "Basic eDp4", "Bearer"), headerText),
  origin: fc.constantFrom("null", "https://elsewhere.test"),
  "sec-fetch-site": fc.constantFrom("cross-site", "same-origin"),
  host: fc.constantFrom("localhost", "elsewhere.test", "[::1]:9"),
  "content-encoding": fc.constantFrom("gzip", "br", "identity"),
  "x-http-method-override": fc.constantFrom("DELETE"),
  cookie: headerText,
};
const header = fc.oneof(...Object.entries(HEADERS).map(([name, values]) => fc.tuple(fc.constant(name), values)));
const headers = fc.oneof(
  { weight: 2, arbitrary: fc.constant({}) },
  { weight: 1, arbitrary: fc.array(header, { maxLength: 2 }).map((some): Record<string, string> => Object.fromEntries(some)) },
);

type Body = { type: string | null; bytes: Buffer | null };
const NO_BODY: Body = { type: null, bytes: null };

const strangeBodies: fc.Arbitrary<Body> = fc.record({
  type: fc.oneof(fc.constantFrom(null, ...TYPES), headerText),
  bytes: fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    garbage.map((value) => Buffer.from(asText(value))),
    fc.constant(Buffer.alloc(0)),
  ),
});

function documentedBodies(content: Record<string, MediaType>, known: Known): fc.Arbitrary<Body> {
  const kinds = Object.entries(content).map(([type, { schema = {}, example }]): fc.Arbitrary<Body> => {
    const values = valuesOf(schema as Schema, known);
    switch (type) {
      case "multipart/form-data":
        return fc.tuple(mostly(values), csvTexts(known)).map(([form, csv]) => ({
          type: `${type}; boundary=${BOUNDARY}`,
          bytes: formOf({ ...(form as object), ...(hasFile(form) ? { file: csv } : {}) }),
        }));
      case "application/json":
        return mostly(values).map((value) => ({ type, bytes: Buffer.from(JSON.stringify(value) ?? "") }));
      case "text/csv":
        return csvTexts(known).map((csv) => ({ type, bytes: Buffer.from(csv) }));
      case "application/x-ndjson":
        return fc
          .array(mostly(products(known)), { maxLength: 4 })
          .map((lines) => ({ type, bytes: Buffer.from(lines.map((line) => `${JSON.stringify(line) ?? ""}\n`).join("")) }));
      default:
        return fc.oneof(fc.constant(example), values, garbage).map((value) => ({ type, bytes: Buffer.from(asText(value)) }));
    }
  });
  return fc
    .oneof(fc.constant(NO_BODY), ...kinds)
    .chain((body) => fc.oneof({ weight: 8, arbitrary: fc.constant(body) }, { weight: 2, arbitrary: spoiled(body) }));
}

function mostly(values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 3, arbitrary: values }, { weight: 1, arbitrary: nearly(values) });
}

function hasFile(form: unknown): boolean {
  return typeof form === "object" && form !== null && "file" in form;
}

const products = (known: Known) => valuesOf({ $ref: "#/components/schemas/ProductInput" }, known);

/** The same bytes cut off, with one of them changed, packed, or sent as something else. */
function spoiled({ type, bytes }: Body): fc.Arbitrary<Body> {
  const whole = bytes ?? Buffer.alloc(0);
  return fc.oneof(
    fc.nat({ max: whole.length }).map((end) => ({ type, bytes: whole.subarray(0, end) })),
    fc
      .tuple(fc.nat({ max: Math.max(0, whole.length - 1) }), fc.nat({ max: 255 }))
      .map(([at, byte]) => ({ type, bytes: Buffer.from(whole.map((old, index) => (index === at ? byte : old))) })),
    fc.constant({ type, bytes: gzipSync(whole) }),
    fc.constant({ type, bytes: Buffer.from(whole.toString(), "utf16le") }),
    fc.constantFrom(...TYPES).map((other) => ({ type: other, bytes: whole })),
  );
}

const SEED_HEAD = "S. No,Product Name,Input Image Urls";
const HEADS = [SEED_HEAD, SEED_HEAD, SEED_HEAD, SEED_HEAD, "Handle,Title,Image Src", "sku;photo", "a,b", ""];

function csvTexts(known: Known): fc.Arbitrary<string> {
  const url = known["images"] ?? fc.constant("https://shop.example/1.jpg");
  const cell = fc.oneof(
    { weight: 9, arbitrary: url.map((value) => `"${[value].flat().join(",").replaceAll('"', '""')}"`) },
    { weight: 1, arbitrary: garbageText },
  );
  const row = fc
    .tuple(fc.oneof(fc.nat().map(String), garbageText), fc.oneof(fc.constant("Mug"), garbageText), cell)
    .map((cells) => cells.join(","));
  return fc
    .tuple(fc.constantFrom(...HEADS), fc.array(row, { maxLength: 5 }), fc.constantFrom("\n", "\r\n"))
    .map(([head, rows, end]) => [head, ...rows, ""].join(end));
}

/** As generated clients fill in forms: a field for each element of a list, JSON for what is no text. */
function formOf(form: object): Buffer {
  const fields = Object.entries(form).flatMap(([name, value]): [string, string][] => [value].flat().map((one) => [name, asText(one)]));
  const parts = fields.map(([name, value]) => {
    const file = name === "file" ? '; filename="products.csv"\r\ncontent-type: text/csv' : "";
    return `--${BOUNDARY}\r\ncontent-disposition: form-data; name="${encode(name)}"${file}\r\n\r\n${value}\r\n`;
  });
  return Buffer.from(`${parts.join("")}--${BOUNDARY}--\r\n`);
}
