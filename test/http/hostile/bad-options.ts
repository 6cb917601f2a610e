import { csvOfUrl, formOf, jsonCase, type Expected, type HostileCase } from "./hostile-case.ts";

const GOOD = csvOfUrl("https://shop.example/a.jpg");

/** A query, the option that is at fault, and what is said of it. */
const QUERIES: [name: string, query: string, field: string, says: RegExp][] = [
  ["unknown", "colour=red", "colour", /no such option.+quality/],
  ["quality 0", "quality=0", "quality", />= 1/],
  ["quality 101", "quality=101", "quality", /<= 100/],
  ["quality 1.5", "quality=1.5", "quality", /integer/],
  ["quality in words", "quality=abc", "quality", /integer/],
  ["quality in hexadecimal", "quality=0x32", "quality", /integer/],
  ["quality twice", "quality=50&quality=60", "quality", /integer/],
  ["quality beyond numbers", "quality=1e400", "quality", /integer/],
  ["a huge width", "width=16384", "width", /<= 16383/],
  ["a negative height", "height=-1", "height", />= 1/],
  ["an unknown format", "format=bmp", "format", /jpeg, webp, avif, png/],
  ["a format in capitals", "format=JPEG", "format", /jpeg, webp, avif, png/],
  ["an unknown fit", "fit=stretch", "fit", /inside/],
  ["an unknown onInvalid", "onInvalid=ignore", "onInvalid", /reject, skip/],
  ["a base that is a path", "baseUrl=/media", "baseUrl", /absolute http or https URL/],
  ["a base with a password", "baseUrl=https://u:p@shop.example/", "baseUrl", /user name or password/],
  ["a base of another scheme", "baseUrl=file:///srv/images", "baseUrl", /absolute http or https URL/],
  ["a base of 3,000 characters", `baseUrl=https://shop.example/${"a".repeat(3_000)}`, "baseUrl", /2048/],
  ["metadata that is no object", "metadata=[1]", "metadata", /object/],
  ["metadata that is no JSON", "metadata={a:1}", "metadata", /object/],
  [
    "metadata of 9,000 characters",
    `metadata=${encodeURIComponent(JSON.stringify({ a: "x".repeat(9_000) }))}`,
    "metadata",
    /at most 8192 characters/,
  ],
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
  { name: "an option in a form: two qualities", make: () => ({ body: twice("quality", "50", "60") }), ...refused("quality", /integer/) },
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
    { status: 422, code: "invalid_products", first: [1, "images", "url_invalid"], says: /nowhere/ },
  ),
  jsonCase("an option in JSON: metadata as text", () => metadata(5), refused("metadata", /object/)),
  jsonCase(
    "an option in JSON: a base with half a pair",
    () => ({ ...metadata({}), baseUrl: "https://shop.example/\uD800" }),
    refused("baseUrl", /surrogate/),
  ),
  jsonCase(
    "an option in JSON: a list of columns that are none",
    () => ({ ...metadata({}), imageColumns: [1, {}] }),
    refused("imageColumns/0", /string/),
  ),
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
    refused("quality", /integer/),
  ),
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
