import { csvOfUrl, formOf, jsonCase, type Expected, type HostileCase } from "./hostile-case.ts";

const GOOD = csvOfUrl("https://shop.example/a.jpg");

/** A query, the option that is at fault, and what is said of it. */
const QUERIES: [name: string, query: string, field: string, says: RegExp][] = [
  ["unknown", "colour=red", "colour", /no such option.+quality/],
  ["quality 0", "quality=0", "quality", /a whole number from 1 to 100, got 0\./],
  ["quality 101", "quality=101", "quality", /a whole number from 1 to 100, got 101\./],
  ["quality 1.5", "quality=1.5", "quality", /whole number.+got "1\.5"/],
  ["quality in words", "quality=abc", "quality", /whole number.+got "abc"/],
  ["quality in hexadecimal", "quality=0x32", "quality", /whole number.+got "0x32"/],
  ["quality twice", "quality=50&quality=60", "quality", /whole number.+got 2 at once: \["50","60"\]/],
  ["quality beyond numbers", "quality=1e400", "quality", /whole number.+got "1e400"/],
  ["a huge width", "width=16384", "width", /from 1 to 16383, got 16384/],
  ["a negative height", "height=-1", "height", /from 1 to 16383, got -1/],
  ["an unknown format", "format=bmp", "format", /jpeg, webp, avif, png/],
  ["a format in capitals", "format=JPEG", "format", /jpeg, webp, avif, png/],
  ["an unknown fit", "fit=stretch", "fit", /inside/],
  ["an unknown onInvalid", "onInvalid=ignore", "onInvalid", /reject, skip/],
  ["a base that is a path", "baseUrl=/media", "baseUrl", /absolute http or https URL/],
  ["a base with a password", "baseUrl=https://u:p@shop.example/", "baseUrl", /user name or password/],
  ["a base of another scheme", "baseUrl=file:///srv/images", "baseUrl", /absolute http or https URL/],
  ["a base with a query", "baseUrl=https://shop.example/media%3Ftoken=secret", "baseUrl", /^(?!.*secret).*without a query/s],
  ["a base with a fragment", "baseUrl=https://shop.example/%23media", "baseUrl", /or fragment/],
  ["a base of 3,000 characters", `baseUrl=https://shop.example/${"a".repeat(3_000)}`, "baseUrl", /2048/],
  ["a background in words", "background=red", "background", /text such as "#ffffff" .+, got "red"\./],
  ["a text of 3,000 characters", `fit=${"x".repeat(3_000)}`, "fit", /inside.+, got text of 3000 characters\./],
  ["metadata of images that is none", "metadata=exif", "metadata", /an object such as .+, or one of none, icc, copyright .+got "exif"/],
  ["two words for metadata of images", "metadata=icc&metadata=copyright", "metadata", /one of none.+2 at once: \["icc","copyright"\]/],
  ["metadata of images under both names", "metadata=icc&keepMetadata=none", "keepMetadata", /one of none.+2 at once: \["icc","none"\]/],
  ["metadata twice", "metadata={}&metadata={}", "metadata", /an object.+2 at once/],
  ["metadata that is no object", "metadata=[1]", "metadata", /object/],
  ["metadata that is no JSON", "metadata={a:1}", "metadata", /object/],
  [
    "metadata of 9,000 characters",
    `metadata=${encodeURIComponent(JSON.stringify({ a: "x".repeat(9_000) }))}`,
    "metadata",
    /at most 8192 characters/,
  ],
  [
    "metadata of 33 levels",
    `metadata=${encodeURIComponent(`{"a":${"[".repeat(32)}${"]".repeat(32)}}`)}`,
    "metadata",
    /at most 32 levels, got more levels\.$/m,
  ],
  ...["1234567890123456789", "-9007199254740993", "1e400", "9007199254740993.5"].map((number): (typeof QUERIES)[number] => [
    `metadata with the number ${number}`,
    `metadata=${encodeURIComponent(`{"a":1,"order":[{"id":${number}}]}`)}`,
    "metadata",
    /numbers up to 9007199254740991, beyond which readers of JSON round, got a larger one in `order\/0\/id`; write it as text/,
  ]),
  ["metadata with a NUL", `metadata=${encodeURIComponent('{"a":"\\u0000"}')}`, "metadata", /NUL/],
  ["metadata with half a pair", `metadata=${encodeURIComponent('{"\\ud800":1}')}`, "metadata", /surrogate/],
  ["a member called __proto__", "__proto__=1", "__proto__", /no such option/],
  ["a member called constructor", "constructor=1", "constructor", /no such option/],
  ["a secret without a webhook", `webhookSecret=${Buffer.alloc(32).toString("base64url")}`, "webhookSecret", /webhookUrl/],
  ["an unknown payload", "webhookPayload=xml", "webhookPayload", /event, seed/],
  ["a payload without a webhook", "webhookPayload=seed", "webhookPayload", /webhookUrl.+no WEBHOOK_URL/],
  [
    "an Authorization header in a URL",
    "webhookUrl=http://127.0.0.1/&webhookAuthorization=Bearer%20abc",
    "webhookAuthorization",
    /form field or in a JSON body/,
  ],
  ["a name of a column of 600 characters", `imageColumns=${"x".repeat(600)}`, "imageColumns", /500/],
];

const metadata = (value: unknown) => ({ products: [{ images: ["https://shop.example/a.jpg"] }], metadata: value });
const refused = (first: string, says: RegExp): Expected => ({ status: 422, code: "invalid_options", first, says });

export const BAD_OPTIONS: HostileCase[] = [
  ...QUERIES.map(([name, query, first, says]): HostileCase => ({
    name: `an option: ${name}`,
    make: () => ({ body: GOOD, type: "text/csv", query: `?${query}` }),
    ...refused(first, says),
  })),
  {
    name: "an option in a form: metadata that is no object",
    make: () => ({ body: formOf(GOOD, { metadata: "5" }) }),
    ...refused("metadata", /object/),
  },
  {
    name: "an option in a form: metadata with a large number",
    make: () => ({ body: formOf(GOOD, { metadata: '{"id":1234567890123456789}' }) }),
    ...refused("metadata", /larger one in `id`/),
  },
  jsonCase(
    "an option in JSON: metadata with a large number",
    () => `{"products":[{"images":["https://shop.example/a.jpg"]}],"metadata":{"id":1234567890123456789}}`,
    refused("metadata", /larger one in `id`/),
  ),
  {
    name: "an option in a form: two qualities",
    make: () => ({ body: twice("quality", "50", "60") }),
    ...refused("quality", /2 at once: \["50","60"\]/),
  },
  {
    name: "an option in a form: two lists of outputs",
    make: () => ({ body: twice("outputs", '[{"name":"a"}]', '[{"name":"b","width":0}]') }),
    ...refused("outputs", /^outputs: Expected one list with all of them, got 2 at once\.$/m),
  },
  {
    name: "an option in a form: two lists of outputs, and no quality",
    make: () => {
      const body = twice("outputs", '[{"name":"a"}]', '[{"name":"b"}]');
      body.set("quality", "0");
      return { body };
    },
    ...refused("outputs", /at once; quality: Expected a whole number/),
  },
  {
    name: "an option in a form: a list of outputs, and one more",
    make: () => ({ body: twice("outputs", '[{"name":"a"}]', '{"name":"b"}') }),
    ...refused("outputs", /one list.+2 at once/),
  },
  jsonCase(
    "an option in JSON: outputs in the recipe and beside it",
    () => ({ ...metadata({}), recipe: { outputs: [{ name: "a" }] }, outputs: [{ name: "b" }] }),
    refused("outputs", /one list.+2 at once/),
  ),
  {
    name: "an option in a form: two lists of headers, which are not told",
    make: () => ({ body: twice("sourceHeaders", ...["a", "b"].map((host) => `[{"host":"${host}","headers":{"cookie":"hunter2"}}]`)) }),
    ...refused("sourceHeaders", /^(?!.*hunter2).+one list.+2 at once/),
  },
  jsonCase(
    "an option in JSON: metadata of 20,000 levels",
    () => `{"products":[],"metadata":{"a":${"[".repeat(20_000)}${"]".repeat(20_000)}}}`,
    refused("metadata", /at most 8192 characters/),
  ),
  jsonCase(
    "an option in JSON: metadata of a million levels",
    () => `{"products":[],"metadata":${'{"a":'.repeat(500_000)}1${"}".repeat(500_000)}}`,
    refused("metadata", /at most 8192 characters/),
  ),
  jsonCase(
    "an option in JSON: metadata of 4,000 levels",
    () => `{"products":[{"images":["nowhere"]}],"metadata":{"a":${"[".repeat(4_000)}${"]".repeat(4_000)}}}`,
    refused("metadata", /at most 32 levels, got more levels/),
  ),
  {
    name: "an option in JSON: metadata of 20,000 levels under an idempotency key",
    make: () => ({
      body: `{"csvUrl":"http://nowhere.example/","metadata":{"a":${"[".repeat(20_000)}${"]".repeat(20_000)}}}`,
      type: "application/json",
      headers: { "idempotency-key": "deep" },
    }),
    ...refused("metadata", /at most 32 levels/),
  },
  jsonCase("an option in JSON: metadata as text", () => metadata(5), refused("metadata", /object/)),
  jsonCase(
    "an option in JSON: a base with half a pair",
    () => ({ ...metadata({}), baseUrl: "https://shop.example/\uD800" }),
    refused("baseUrl", /surrogate/),
  ),
  jsonCase(
    "an option in JSON: a list of columns that are none",
    () => ({ ...metadata({}), imageColumns: [1, {}] }),
    refused("imageColumns/0", /text of 1 to 500 characters, got 1\./),
  ),
  jsonCase(
    "an option in JSON: columns beside products, which have none",
    () => ({ ...metadata({}), imageColumns: ["images"] }),
    refused("imageColumns", /Expected it with a CSV/),
  ),
  {
    name: "an option in a query: a column beside products line by line",
    make: () => ({ body: '{"images":["https://a.example/1.jpg"]}\n', type: "application/x-ndjson", query: "?idColumn=id" }),
    ...refused("idColumn", /Expected it with a CSV/),
  },
  jsonCase("an option in JSON: a recipe that is a list", () => ({ ...metadata({}), recipe: [] }), {
    status: 422,
    code: "invalid_options",
    says: /recipe as an object/,
  }),
  jsonCase(
    "an option in JSON: a recipe with a __proto__",
    () => '{"products":[],"recipe":{"__proto__":{"quality":1}}}',
    refused("__proto__", /no such option/),
  ),
  jsonCase(
    "an option in JSON: a quality in words",
    () => ({ ...metadata({}), recipe: { quality: "best" } }),
    refused("quality", /whole number.+got "best"/),
  ),
  jsonCase(
    "an option in JSON: metadata of images that is none",
    () => ({ ...metadata({}), recipe: { metadata: "exif" } }),
    refused("recipe/metadata", /Expected one of none, icc, copyright, got "exif"\./),
  ),
  jsonCase(
    "an option in JSON: two words for metadata of images",
    () => ({ ...metadata("icc"), recipe: { metadata: "none" } }),
    refused("recipe/metadata", /2 at once: \["icc","none"\]/),
  ),
  jsonCase(
    "an option in JSON: a format in the recipe and another beside it",
    () => ({ ...metadata({}), format: "webp", recipe: { format: "png" } }),
    refused("format", /2 at once: \["png","webp"\]/),
  ),
  {
    name: "an option in JSON: a quality in the query and another in the body",
    make: () => ({ body: JSON.stringify({ ...metadata({}), recipe: { quality: 80 } }), type: "application/json", query: "?quality=3" }),
    ...refused("quality", /2 at once: \["3",80\]/),
  },
  jsonCase("an option in JSON: metadata that is a list", () => metadata([{ a: 1 }, { b: 2 }]), refused("metadata", /object/)),
  jsonCase(
    "an option in JSON: an output with what outputs have not",
    () => ({ ...metadata({}), recipe: { outputs: [{ name: "a", preset: "seed" }] } }),
    refused("outputs/0/preset", /no such option in outputs\/0; there are name, format, [a-z, ]+effort\./),
  ),
  jsonCase(
    "an option in JSON: an output with capitals in its name",
    () => ({ ...metadata({}), recipe: { outputs: [{ name: "Large" }] } }),
    refused("outputs/0/name", /text such as "thumb" .+, got "Large"\./),
  ),
  jsonCase(
    "an option in JSON: an output with a digit before its name",
    () => ({ ...metadata({}), recipe: { outputs: [{ name: "2x" }] } }),
    refused("outputs/0/name", /got "2x"\./),
  ),
  jsonCase(
    "an option in JSON: an output without a name",
    () => ({ ...metadata({}), recipe: { outputs: [{ width: 3 }] } }),
    refused("outputs/0", /an object with name, got one without name\./),
  ),
  jsonCase(
    "an option in JSON: more outputs than there may be",
    () => ({ ...metadata({}), recipe: { outputs: Array.from({ length: 11 }, (_, index) => ({ name: `w${index}` })) } }),
    refused("outputs", /a list of 1 to 10 .+, got a list of 11\./),
  ),
  jsonCase(
    "an option in JSON: a header that is no text, whose value is not told",
    () => ({ ...metadata({}), sourceHeaders: [{ host: "a.example", headers: { cookie: ["hunter2"] } }] }),
    refused("sourceHeaders/0/headers/cookie", /^(?!.*hunter2).+got a list of 1\./),
  ),
  jsonCase(
    "an option in JSON: headers without a host, which are not told",
    () => ({ ...metadata({}), sourceHeaders: { cookie: "hunter2" } }),
    refused("sourceHeaders", /^(?!.*hunter2).+a list of 1 to 10 .+, got an object\./),
  ),
  {
    name: "an option in a form: a secret twice, which is not told",
    make: () => ({ body: twice("webhookSecret", "hunter2", "hunter3") }),
    ...refused("webhookSecret", /^(?!.*hunter).+got a list of 2\./),
  },
  {
    name: "an option in a form: headers that are no JSON, which are not told",
    make: () => ({ body: formOf(GOOD, { sourceHeaders: "cookie: hunter2" }) }),
    ...refused("sourceHeaders", /^(?!.*hunter2).+got text of 15 characters\./),
  },
  {
    name: "a webhook on a private address",
    make: () => ({ body: GOOD, type: "text/csv", query: "?webhookUrl=http://10.0.0.1/" }),
    status: 422,
    code: "invalid_webhook",
    first: "webhookUrl",
    says: /ALLOW_CIDRS/,
  },
  {
    name: "a webhook on the cloud's own address",
    make: () => ({ body: GOOD, type: "text/csv", query: "?webhookUrl=http://[::ffff:169.254.169.254]/" }),
    status: 422,
    code: "invalid_webhook",
    first: "webhookUrl",
    says: /ALLOW_CIDRS/,
  },
  {
    name: "a webhook with a NUL",
    make: () => ({ body: GOOD, type: "text/csv", query: "?webhookUrl=https://a.example/%00" }),
    status: 422,
    code: "invalid_webhook",
    first: "webhookUrl",
    says: /control character/,
  },
  {
    name: "a column that is not there",
    make: () => ({ body: GOOD, type: "text/csv", query: "?imageColumns=Foto" }),
    status: 422,
    code: "invalid_csv",
    first: [1, "Foto", "column_not_found"],
    says: /"S\. No", "Product Name"/,
  },
  {
    name: "a column of prototypes",
    make: () => ({ body: GOOD, type: "text/csv", query: "?idColumn=__proto__" }),
    status: 422,
    code: "invalid_csv",
    first: [1, "__proto__", "column_not_found"],
    says: /column "__proto__"/,
  },
  {
    name: "a thousand columns that are not there",
    make: () => ({ body: GOOD, type: "text/csv", query: `?imageColumns=${",".repeat(400)}a` }),
    status: 422,
    code: "invalid_csv",
    first: [1, "a", "column_not_found"],
    says: /column "a"/,
  },
];

function twice(name: string, ...values: string[]): FormData {
  const form = formOf(GOOD);
  for (const value of values) form.append(name, value);
  return form;
}
