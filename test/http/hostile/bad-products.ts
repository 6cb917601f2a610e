import { gzip, jsonCase, latin1, utf16, type Expected, type HostileCase } from "./hostile-case.ts";

const URL = "https://shop.example/a.jpg";
const MUG = JSON.stringify({ id: "MUG-1", images: [URL] });

const bad = (says: RegExp): Expected => ({ status: 400, code: "bad_request", says });
const options = (says: RegExp, first?: string): Expected => ({
  status: 422,
  code: "invalid_options",
  says,
  ...(first === undefined ? {} : { first }),
});
const product = (line: number, says: RegExp): Expected => ({
  status: 422,
  code: "invalid_products",
  first: [line, null, "product_invalid"],
  says,
});
const image = (line: number, code: string, says: RegExp): Expected => ({
  status: 422,
  code: "invalid_products",
  first: [line, "images", code],
  says,
});
const images = (value: unknown) => ({
  products: [
    { id: "A", images: [URL] },
    { id: "B", images: value },
  ],
});

/** Products as JSON that are none. */
export const BAD_JSON: HostileCase[] = [
  jsonCase("JSON: nothing", () => "", bad(/Expected JSON/)),
  jsonCase("JSON: no JSON", () => "S. No,Product Name", bad(/Expected JSON/)),
  jsonCase("JSON: cut", () => `{"products":[${MUG}`, bad(/Expected JSON/)),
  jsonCase("JSON: more behind it", () => `{"products":[${MUG}]} {}`, bad(/Expected JSON/)),
  jsonCase("JSON: single quotes", () => "{'products':[]}", bad(/Expected JSON/)),
  jsonCase("JSON: NaN", () => '{"products":NaN}', bad(/Expected JSON/)),
  jsonCase("JSON: 100,000 levels that are not closed", () => '{"products":'.concat("[".repeat(100_000)), bad(/Expected JSON/)),
  jsonCase("JSON: 100,000 levels", () => `{"products":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, product(1, /got a list/)),
  jsonCase(
    "JSON: 100,000 levels of images",
    () => `{"products":[{"images":${"[".repeat(100_000)}${"]".repeat(100_000)}}]}`,
    product(1, /images as a list of URLs/),
  ),
  jsonCase("JSON: in UTF-16", () => utf16(`{"products":[${MUG}]}`), bad(/Expected JSON/)),
  jsonCase(
    "JSON: bytes that are not UTF-8",
    () => latin1('{"products":[{"name":"K\xf6pfe","images":["https://shop.example/a.jpg"]}]}'),
    bad(/UTF-8/),
  ),
  jsonCase("JSON: packed", () => gzip(`{"products":[${MUG}]}`), bad(/UTF-8|Expected JSON/)),
  jsonCase("JSON: a text of 10 MB", () => `{"products":[{"name":"${"M".repeat(10_000_000)}","images":[]}]}`, {
    status: 413,
    code: "upload_too_large",
    says: /4194304 bytes of JSON.+ndjson/,
  }),
  jsonCase(
    "JSON: a name of 2 MB",
    () => ({
      products: [
        { id: "A", images: [URL] },
        { name: "M".repeat(2_000_000), images: [URL] },
      ],
    }),
    { status: 422, code: "invalid_products", first: [2, null, "row_too_long"], says: /1048576 characters/ },
  ),
  jsonCase("JSON: a list", () => [{ images: [URL] }], options(/Expected an object such as/)),
  jsonCase("JSON: null", () => "null", options(/Expected an object/)),
  jsonCase("JSON: a text alone", () => '"products"', options(/Expected an object/)),
  jsonCase("JSON: neither products nor csvUrl", () => ({}), options(/either `products` or `csvUrl`/)),
  jsonCase("JSON: both products and csvUrl", () => ({ products: [], csvUrl: URL }), options(/either `products` or `csvUrl`/)),
  jsonCase("JSON: products as an object", () => ({ products: { 0: { images: [] } } }), options(/products as a list/)),
  jsonCase("JSON: an unknown member", () => ({ products: [{ images: [URL] }], colour: "red" }), options(/no such option/, "colour")),
  jsonCase(
    "JSON: a member called __proto__",
    () => `{"products":[${MUG}],"__proto__":{"format":"webp"}}`,
    options(/no such option/, "__proto__"),
  ),
  jsonCase("JSON: a file name that is a number", () => ({ products: [{ images: [URL] }], fileName: 5 }), options(/fileName as text/)),
  jsonCase("JSON: no products", () => ({ products: [] }), {
    status: 422,
    code: "invalid_products",
    first: [1, null, "no_products"],
    says: /at least one product/,
  }),
  jsonCase(
    "JSON: products without images",
    () => ({
      products: [
        { id: "A", images: [] },
        { id: "B", images: [] },
      ],
    }),
    { status: 422, code: "invalid_products", first: [1, null, "no_images"], says: /2 products without any/ },
  ),
  jsonCase("JSON: a product that is null", () => ({ products: [null] }), product(1, /got null/)),
  jsonCase("JSON: a product that is a text", () => ({ products: [{ images: [URL] }, URL] }), product(2, /got a string/)),
  jsonCase(
    "JSON: a product with a __proto__",
    () => `{"products":[{"images":["${URL}"],"__proto__":{"id":"x"}}]}`,
    product(1, /got "__proto__"/),
  ),
  jsonCase(
    "JSON: a product with a member of ours",
    () => ({ products: [{ images: [URL], sku: "A" }] }),
    product(1, /id, name and images, got "sku"/),
  ),
  jsonCase("JSON: an id that is a list", () => ({ products: [{ id: ["A"], images: [URL] }] }), product(1, /id and name as text/)),
  jsonCase(
    "JSON: an id too large for a number",
    () => `{"products":[{"id":12345678901234567890,"images":["${URL}"]}]}`,
    product(1, /in quotes|as text/),
  ),
  jsonCase("JSON: an id that is a fraction", () => ({ products: [{ id: 1.5, images: [URL] }] }), product(1, /as text/)),
  jsonCase("JSON: a name that is a number", () => ({ products: [{ name: 5, images: [URL] }] }), product(1, /id and name as text/)),
  jsonCase("JSON: images that are a text", () => images(URL), product(2, /images as a list/)),
  jsonCase("JSON: images that are numbers", () => images([1, 2]), product(2, /images as a list/)),
  jsonCase("JSON: images that are objects", () => images([{ src: URL }]), product(2, /images as a list/)),
  jsonCase("JSON: an image that is empty", () => images([URL, " "]), product(2, /one URL, got an empty one/)),
  jsonCase("JSON: an image with a line break", () => images([`${URL}\n${URL}`]), product(2, /line break/)),
  jsonCase("JSON: an image that is no URL", () => images(["javascript:alert(1)"]), image(2, "url_invalid", /begins with "javascript:"/)),
  jsonCase(
    "JSON: 1,001 images",
    () => images(Array.from({ length: 1_001 }, (_, index) => `${URL}?${index}`)),
    image(2, "too_many_urls", /got 1001/),
  ),
  jsonCase("JSON: a NUL", () => `{"products":[{"name":"M\\u0000g","images":["${URL}"]}]}`, product(1, /NUL/)),
  jsonCase("JSON: half a pair", () => `{"products":[{"name":"M\\ud800g","images":["${URL}"]}]}`, product(1, /surrogate/)),
  jsonCase("JSON: half a pair in an image", () => `{"products":[{"images":["${URL}\\udc00"]}]}`, product(1, /surrogate/)),
];

const lines = (name: string, body: () => string | Buffer, expected: Expected): HostileCase => ({
  name: `NDJSON: ${name}`,
  make: () => ({ body: body(), type: "application/x-ndjson" }),
  ...expected,
});

/** Products a line that are none, told by the line's number. */
export const BAD_LINES: HostileCase[] = [
  lines("nothing", () => "", { status: 422, code: "invalid_products", first: [1, null, "no_products"], says: /at least one product/ }),
  lines("blank lines", () => "\n\r\n \n", {
    status: 422,
    code: "invalid_products",
    first: [1, null, "no_products"],
    says: /at least one product/,
  }),
  lines("a broken line", () => `${MUG}\n{"id":\n${MUG}\n`, product(2, /got a line that is none/)),
  lines("a broken line behind blank ones, which are no products", () => `\n${MUG}\n\n\n{"id"\n`, product(2, /got a line that is none/)),
  lines("a line that was cut", () => `${MUG}\n${MUG.slice(0, -5)}`, product(2, /got a line that is none/)),
  lines("two products on a line", () => `${MUG} ${MUG}\n`, product(1, /got a line that is none/)),
  lines("a comma behind each", () => `${MUG},\n${MUG},\n`, product(1, /got a line that is none/)),
  lines("a list instead", () => `[${MUG}]\n`, product(1, /got a list/)),
  lines("a list over lines", () => `[\n${MUG}\n]\n`, product(1, /got a line that is none/)),
  lines("CSV", () => `id,images\nA,${URL}\n`, product(1, /got a line that is none/)),
  lines("a line of 100,000 levels", () => `${MUG}\n${"[".repeat(100_000)}${"]".repeat(100_000)}\n`, product(2, /got a list/)),
  lines("a line of 2 MB", () => `${MUG}\n{"name":"${"M".repeat(2_000_000)}","images":[]}\n`, {
    status: 413,
    code: "upload_too_large",
    says: /1048576 bytes, got a longer one in line 2/,
  }),
  lines("20 MB without a line break", () => "x".repeat(20_000_000), {
    status: 413,
    code: "upload_too_large",
    says: /1048576 bytes, got a longer one in line 1/,
  }),
  lines("20,000 broken lines", () => "x\n".repeat(20_000), product(1, /got a line that is none/)),
  lines(
    "bytes that are not UTF-8",
    () => Buffer.concat([Buffer.from(`${MUG}\n`), latin1('{"name":"K\xf6pfe","images":[]}\n')]),
    product(2, /UTF-8/),
  ),
  lines("in UTF-16", () => utf16(`\uFEFF${MUG}\n`), product(1, /UTF-8/)),
  lines("a NUL between two", () => `${MUG}\n\0\n${MUG}\n`, product(2, /got a line that is none/)),
  lines(
    "a URL that is none behind 20,000 that are",
    () => `${`${MUG}\n`.repeat(20_000)}{"id":"B","images":["ftp://shop.example/a.jpg"]}\n`,
    image(20_001, "url_invalid", /begins with "ftp:"/),
  ),
  lines("over the cap", () => `${MUG}\n`.repeat(900_000), { status: 413, code: "upload_too_large", says: /33554432 bytes/ }),
  {
    name: "NDJSON: to the seed's route",
    make: () => ({ body: `${MUG}\n`, type: "application/x-ndjson", path: "/uploadAndProcessDocument" }),
    status: 415,
    code: "wrong_file_type",
    says: /POST \/v1\/batches/,
  },
];
