import { csvOfUrl, formOf, invalidCsv, SEED_ROUTE, type Expected, type HostileCase, type Sent } from "./hostile-case.ts";

const GOOD = csvOfUrl("https://shop.example/a.jpg");
const FILE = 'content-disposition: form-data; name="file"; filename="products.csv"\r\ncontent-type: text/csv';
const TYPE = "multipart/form-data; boundary=edge";

/** A form of these parts, each its headers and its content. */
function form(...parts: [headers: string, content: string][]): string {
  return `${parts.map(([headers, content]) => `--edge\r\n${headers}\r\n\r\n${content}\r\n`).join("")}--edge--\r\n`;
}

const missing: Expected = { status: 422, code: "file_missing", says: /the field `file`/ };
const broken = (says = /multipart/i): Expected => ({ status: 400, code: "bad_multipart", says });

/** Bodies of every media type that hold no file, or more than one, or are no form. */
const FORMS: [name: string, sent: Omit<Sent, "path"> | (() => Omit<Sent, "path">), expected: Expected][] = [
  ["no body", { body: null }, missing],
  ["no body but a media type", { body: null, type: "text/csv" }, invalidCsv([1, null, "empty_file"], /empty file/)],
  ["a form without a file", { body: form(['content-disposition: form-data; name="quality"', "50"]), type: TYPE }, missing],
  ["an empty form", { body: "--edge--\r\n", type: TYPE }, missing],
  [
    "the file's path in its place",
    { body: form(['content-disposition: form-data; name="file"', "products.csv"]), type: TYPE },
    { status: 422, code: "file_missing", says: /got one line of text.+-F file=@products\.csv/ },
  ],
  [
    "the file in another field",
    { body: form([FILE.replace('"file"', '"csv"'), GOOD]), type: TYPE },
    { status: 422, code: "file_missing", says: /got a file in the field `csv`/ },
  ],
  [
    "the file in a field of 300 characters",
    { body: form([FILE.replace('"file"', `"${"f".repeat(300)}"`), GOOD]), type: TYPE },
    { status: 422, code: "file_missing", says: /field `f{60}`/ },
  ],
  ["the file without a field", { body: form([FILE.replace('name="file"; ', ""), GOOD]), type: TYPE }, missing],
  ["two files", { body: form([FILE, GOOD], [FILE, GOOD]), type: TYPE }, { status: 422, code: "too_many_files", says: /one file/ }],
  [
    "three files",
    { body: form([FILE, GOOD], [FILE, GOOD], [FILE, GOOD]), type: TYPE },
    { status: 422, code: "too_many_files", says: /one file/ },
  ],
  [
    "a field called __proto__",
    { body: form(['content-disposition: form-data; name="__proto__"', "1"], [FILE, GOOD]), type: TYPE },
    { status: 400, code: "bad_multipart", says: /prototype|__proto__/ },
  ],
  [
    "a file in the field constructor",
    { body: form([FILE.replace('"file"', '"constructor"'), GOOD]), type: TYPE },
    { status: 400, code: "bad_multipart", says: /prototype|constructor/ },
  ],
  ["no boundary", { body: form([FILE, GOOD]), type: "multipart/form-data" }, broken(/boundary/i)],
  ["an empty boundary", { body: form([FILE, GOOD]), type: "multipart/form-data; boundary=" }, broken()],
  ["another boundary", { body: form([FILE, GOOD]), type: "multipart/form-data; boundary=other" }, broken()],
  [
    "another boundary, and 20 MB",
    () => ({ body: form([FILE, "x".repeat(20_000_000)]), type: "multipart/form-data; boundary=other" }),
    broken(),
  ],
  ["no form", { body: "garbage", type: TYPE }, broken()],
  ["a form cut in its headers", { body: `--edge\r\n${FILE.slice(0, 40)}`, type: TYPE }, broken()],
  ["a form cut in its file", { body: form([FILE, GOOD]).slice(0, -40), type: TYPE }, broken()],
  ["a form cut in its last line", { body: form([FILE, GOOD]).slice(0, -6), type: TYPE }, broken()],
  [
    "a form cut in a field behind its file",
    { body: form([FILE, GOOD], ['content-disposition: form-data; name="quality"', "50"]).slice(0, -20), type: TYPE },
    broken(),
  ],
  [
    "1,000 fields",
    {
      body: form(
        ...Array.from({ length: 1_000 }, (_, index): [string, string] => [`content-disposition: form-data; name="f${index}"`, "x"]),
        [FILE, GOOD],
      ),
      type: TYPE,
    },
    { status: 413, code: "upload_too_large", says: /at most 120 fields/ },
  ],
  [
    "a field of 40 kB",
    { body: form(['content-disposition: form-data; name="metadata"', `{"a":"${"x".repeat(40_000)}"}`], [FILE, GOOD]), type: TYPE },
    { status: 413, code: "upload_too_large", says: /at most 32768 bytes in the field `metadata`/ },
  ],
  [
    "a field of 20 MB",
    () => ({ body: form(['content-disposition: form-data; name="nameColumn"', "x".repeat(20_000_000)], [FILE, GOOD]), type: TYPE }),
    { status: 413, code: "upload_too_large", says: /at most 32768 bytes in the field `nameColumn`/ },
  ],
  [
    "a field whose name has 2,000 characters",
    { body: form([`content-disposition: form-data; name="${"q".repeat(2_000)}"`, "1"], [FILE, GOOD]), type: TYPE },
    { status: 422, code: "invalid_options", says: /no such option/ },
  ],
  [
    "headers of 100 kB before the one that names the field",
    { body: form([`x-bomb: ${"a".repeat(100_000)}\r\n${FILE}`, GOOD]), type: TYPE },
    missing,
  ],
  [
    "10,000 headers before the one that names the field",
    { body: form([`${"x-a: b\r\n".repeat(10_000)}${FILE}`, GOOD]), type: TYPE },
    missing,
  ],
  [
    "a field of JSON that is none",
    { body: form(['content-disposition: form-data; name="metadata"\r\ncontent-type: application/json', "{"], [FILE, GOOD]), type: TYPE },
    { status: 400, code: "bad_multipart", says: /JSON/ },
  ],
  [
    "a form within a form",
    {
      body: form(['content-disposition: form-data; name="file"\r\ncontent-type: multipart/mixed; boundary=inner', "--inner--"]),
      type: TYPE,
    },
    missing,
  ],
  ["an image as the body", { body: "GIF89a", type: "image/gif" }, { status: 415, code: "unsupported_media_type", says: /text\/csv/ }],
  [
    "a web form",
    { body: "file=S.%20No", type: "application/x-www-form-urlencoded" },
    { status: 415, code: "unsupported_media_type", says: /multipart\/form-data/ },
  ],
  ["no media type", { body: Buffer.from(GOOD) }, { status: 415, code: "unsupported_media_type", says: /text\/csv/ }],
  ["a media type that is none", { body: GOOD, type: "csv" }, { status: 415, code: "unsupported_media_type", says: /text\/csv/ }],
  [
    "a form of another kind",
    { body: form([FILE, GOOD]), type: "multipart/mixed; boundary=edge" },
    { status: 415, code: "unsupported_media_type", says: /multipart\/form-data/ },
  ],
  [
    "a body over the cap",
    () => ({ body: "x".repeat(33 * 1024 * 1024), type: "text/csv" }),
    { status: 413, code: "upload_too_large", says: /at most 33554432 bytes/ },
  ],
  [
    "a body that says it is far over the cap",
    () => ({ body: "x".repeat(48 * 1024 * 1024), type: "text/csv" }),
    { status: 413, code: "upload_too_large", says: /at most 33554432 bytes/ },
  ],
  [
    "a form over the cap",
    () => ({ body: formOf("x".repeat(33 * 1024 * 1024)) }),
    { status: 413, code: "upload_too_large", says: /at most 33554432 bytes/ },
  ],
];

/** Alternately through the one door and the other. */
export const BAD_FORMS: HostileCase[] = FORMS.map(([name, sent, expected], index) => ({
  name,
  make: () => ({ ...(typeof sent === "function" ? sent() : sent), path: index % 2 === 0 ? SEED_ROUTE : "/v1/batches" }),
  ...expected,
}));
