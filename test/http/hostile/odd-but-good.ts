import { csvOfUrl, formOf, gzip, HEAD, latin1, utf16, type Sent } from "./hostile-case.ts";

/** What looks like an attack or a mistake and is somebody's catalogue: it is taken, and comes back as it came. */
export type OddCase = {
  name: string;
  make(image: string): Sent;
  /** What `shape=import` gives back where it is not the body itself. */
  comesBack?(image: string): string | Buffer;
  /** Ids and names of its first products. */
  products?: readonly (readonly [id: string, name: string])[];
  metadata?: string;
  fileName?: string | null;
  /** Its images lie where no test can go. */
  isElsewhere?: true;
};

const csv = (name: string, body: (image: string) => string | Buffer, more: Partial<OddCase> = {}): OddCase => ({
  name,
  make: (image) => ({ body: body(image), type: "text/csv" }),
  comesBack: body,
  ...more,
});
const json = (name: string, body: (image: string) => string, more: Partial<OddCase>): OddCase => ({
  name,
  make: (image) => ({ body: body(image), type: "application/json" }),
  ...more,
});
const lines = (name: string, body: (image: string) => string, more: Partial<OddCase>): OddCase => ({
  name,
  make: (image) => ({ body: body(image), type: "application/x-ndjson" }),
  ...more,
});

const MEMBERS = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf", "prototype"];
const FILE = 'content-disposition: form-data; name="file"; filename="products.csv"';
const form = (headers: string, content: string) => ({
  body: `--edge\r\n${headers}\r\n\r\n${content}\r\n--edge--\r\n`,
  type: "multipart/form-data; boundary=edge",
});
const unnamed = (image: string) => `${HEAD}1,Mug,${image}${"\n".repeat(40_000)}`;

export const ODD_FILES: OddCase[] = [
  csv(
    "columns called as every object's members",
    (image) => `${MEMBERS.join(",")},Image\n${MEMBERS.map((_, index) => index).join(",")},${image}\n`,
  ),
  csv("products called as every object's members", (image) => `${HEAD}${MEMBERS.map((name) => `${name},${name},${image}\n`).join("")}`, {
    products: MEMBERS.map((name) => [name, name] as const),
  }),
  csv(
    "line endings of three kinds",
    (image) => `S. No,Product Name,Input Image Urls\r\n1,A,${image}\n2,B,${image}\r3,"C\r\nD\rE",${image}`,
    {
      products: [
        ["1", "A"],
        ["2", "B"],
        ["3", "C\r\nD\rE"],
      ],
    },
  ),
  csv(
    "a byte order mark in the middle, which is a character like others",
    (image) => `${HEAD}1,Mu\uFEFFg,${image}\n\uFEFF2,Cup,${image}\n`,
    {
      products: [
        ["1", "Mu\uFEFFg"],
        ["2", "Cup"],
      ],
    },
  ),
  csv("two byte order marks", (image) => `\uFEFF\uFEFF${HEAD}1,Mug,${image}\n`, { products: [["1", "Mug"]] }),
  csv("a byte order mark before a quote", (image) => `\uFEFF"S. No","Product Name","Input Image Urls"\n1,Mug,${image}\n`, {
    products: [["1", "Mug"]],
  }),
  csv("UTF-16", (image) => utf16(`\uFEFF${HEAD.replaceAll(",", "\t")}1\tKöpfe 😀\t${image}\r\n`), { products: [["1", "Köpfe 😀"]] }),
  csv("UTF-16 big-endian", (image) => utf16(`\uFEFF${HEAD}1,Köpfe 😀,${image}\n`).swap16(), { products: [["1", "Köpfe 😀"]] }),
  csv("Windows-1252", (image) => latin1(`${HEAD}1,K\xf6pfe f\xfcr 5\x80,${image}\n`), { products: [["1", "Köpfe für 5€"]] }),
  csv(
    "UTF-8 with characters that are none yet, marks and joiners",
    (image) => `${HEAD}1,\uFFFF \u{10FFFF} \u202Eabc \u200D \u0301,${image}\n`,
  ),
  csv("control characters other than NUL", (image) => `${HEAD}1,"a\u0001\u0007\u001B[31m\u007F",${image}\n`),
  csv("a line `sep=;`", (image) => `sep=;\r\nS. No;Product Name;Input Image Urls\r\n1;"a;b,c";${image}\r\n`, {
    products: [["1", "a;b,c"]],
  }),
  csv('a line `"sep=|"` behind a mark', (image) => `\uFEFF"sep=|"\nS. No|Product Name|Input Image Urls\n1|a,b|${image}\n`, {
    products: [["1", "a,b"]],
  }),
  csv("100,000 quotes in a cell", (image) => `${HEAD}1,"${'""'.repeat(100_000)}",${image}\n`),
  csv("quotes within unquoted cells", (image) => `${HEAD}1,a 5" mug ""x"",${image}\n`, { products: [["1", 'a 5" mug ""x""']] }),
  csv("a cell of 10,000 lines", (image) => `${HEAD}1,"${"a\n".repeat(10_000)}",${image}\n`),
  csv("a name of 1,000,000 characters", (image) => `${HEAD}1,${"M".repeat(1_000_000)},${image}\n`),
  csv(
    "1,000 columns",
    (image) => `Image,${Array.from({ length: 999 }, (_, index) => `c${index}`).join(",")}\n${image}${",".repeat(999)}\n`,
  ),
  csv("a header of 100 kB", (image) => `sku,${"note ".repeat(20_000)},Image\nA,,${image}\n`),
  csv("headers that come twice where nothing is written", (image) => `sku,Option,Option,,,Image\nA,1,2,3,4,${image}\n`),
  csv("formulas", (image) => `${HEAD}=1+1,"=HYPERLINK(""https://evil.example"",""x"")",${image}\n@SUM(1),+1,${image}\n`, {
    products: [
      ["=1+1", '=HYPERLINK("https://evil.example","x")'],
      ["@SUM(1)", "+1"],
    ],
  }),
  csv("ids that are paths", (image) => `${HEAD}../../etc/passwd,Mug,${image}\nCON,Mug,${image}\n..,Mug,${image}\n`, {
    products: [
      ["../../etc/passwd", "Mug"],
      ["CON", "Mug"],
      ["..", "Mug"],
    ],
  }),
  csv("ids that come twice", (image) => `${HEAD}1,A,${image}\n2,B,${image}\n1,C,${image}\n`, {
    products: [
      ["1", "A"],
      ["2", "B"],
      ["1", "C"],
    ],
  }),
  csv("rows that are too short, and blank ones between", (image) => `${HEAD}1,Mug,${image}\n2\n\n ,,\n3,Cup,${image}\n\n`),
  csv("a cell of 300 URLs, one of them many times", (image) => csvOfUrl(Array.from({ length: 300 }, () => image).join(","))),
  csv("a URL with three slashes, as browsers read it", () => `${HEAD}1,A,http:///shop.invalid/a.jpg\n`, { isElsewhere: true }),
  csv(
    "hosts in other scripts and as addresses",
    () =>
      `${HEAD}1,A,https://bücher.invalid/ä.jpg\n2,B,http://[2001:db8::1]/a.jpg\n3,C,http://10.1.2.3/a.jpg\n4,D,https://xn--bcher-kva.invalid/a.jpg\n`,
    { isElsewhere: true },
  ),
  csv("bad URLs, where the caller skips them", (image) => `${HEAD}1,A,"javascript:alert(1), ${image}"\n`, {
    make: (image) => ({ body: `${HEAD}1,A,"javascript:alert(1), ${image}"\n`, type: "text/csv", query: "?onInvalid=skip" }),
  }),
  {
    name: "gzip of several members",
    make: (image) => ({ body: Buffer.concat([gzip(HEAD), gzip(`1,Mug,${image}\n`), gzip("")]), type: "application/gzip" }),
    comesBack: (image) => `${HEAD}1,Mug,${image}\n`,
  },
  {
    name: "gzip in a form",
    make: (image) => ({ body: formOf(gzip(`${HEAD}1,Mug,${image}\n`)) }),
    comesBack: (image) => `${HEAD}1,Mug,${image}\n`,
  },
  {
    name: "headers of 100 kB behind the one that names the field",
    make: (image) => form(`${FILE}\r\nx-bomb: ${"a".repeat(100_000)}`, `${HEAD}1,Mug,${image}`),
    comesBack: (image) => `${HEAD}1,Mug,${image}`,
    fileName: "products.csv",
  },
  {
    name: "a file whose name is a path",
    make: (image) => form(FILE.replace("products.csv", "../../../etc/cron.d/x"), `${HEAD}1,Mug,${image}`),
    comesBack: (image) => `${HEAD}1,Mug,${image}`,
    fileName: "x",
  },
  {
    name: "a file whose name is markup and has no end",
    make: (image) => form(FILE.replace("products.csv", `<script>${"a".repeat(400)}`), `${HEAD}1,Mug,${image}`),
    comesBack: (image) => `${HEAD}1,Mug,${image}`,
    fileName: `<script>${"a".repeat(247)}`,
  },
  ...["", "\r\ncontent-type: text/csv", "\r\ncontent-type: application/octet-stream"].map((type): OddCase => ({
    name: `a file without a name${type.replace(/.+:/s, " of type")}, larger than an option may be`,
    make: (image) => form(`content-disposition: form-data; name="file"${type}`, unnamed(image)),
    comesBack: unnamed,
    fileName: null,
  })),
];

export const ODD_PRODUCTS: OddCase[] = [
  json("JSON behind a byte order mark", (image) => `\uFEFF{"products":[{"id":"A","images":["${image}"]}]}`, { products: [["A", ""]] }),
  json(
    "JSON whose members come twice: the last counts",
    (image) => `{"products":[],"products":[{"id":"A","id":"B","images":["${image}"]}]}`,
    { products: [["B", ""]] },
  ),
  json(
    "JSON with ids of every object's members",
    (image) => JSON.stringify({ products: MEMBERS.map((name) => ({ id: name, name, images: [image] })) }),
    { products: MEMBERS.map((name) => [name, name] as const) },
  ),
  json(
    "JSON with line breaks, quotes and formulas in its texts",
    (image) => JSON.stringify({ products: [{ id: '=1+1,"x"', name: "a\r\nb\tc\u0001", images: [image] }] }),
    { products: [['=1+1,"x"', "a\r\nb\tc\u0001"]] },
  ),
  json("JSON with the largest whole number as an id", (image) => `{"products":[{"id":9007199254740991,"images":["${image}"]}]}`, {
    products: [["9007199254740991", ""]],
  }),
  json(
    "JSON with metadata called __proto__",
    (image) => `{"products":[{"id":"A","images":["${image}"]}],"metadata":{"__proto__":{"admin":true},"constructor":1}}`,
    { metadata: '{"__proto__":{"admin":true},"constructor":1}' },
  ),
  json(
    "JSON with metadata of numbers that every reader of JSON holds, and of larger ones as text",
    (image) =>
      `{"products":[{"id":"A","images":["${image}"]}],"metadata":{"max":9007199254740991,"min":-9007199254740991,"id":"1234567890123456789","one":1.0,"some":0.1,"few":1e-300}}`,
    { metadata: '{"id":"1234567890123456789","few":1e-300,"max":9007199254740991,"min":-9007199254740991,"one":1,"some":0.1}' },
  ),
  json(
    "JSON with metadata of 32 levels",
    (image) => `{"products":[{"id":"A","images":["${image}"]}],"metadata":{"a":${"[".repeat(31)}1${"]".repeat(31)}}}`,
    { metadata: `{"a":${"[".repeat(31)}1${"]".repeat(31)}}` },
  ),
  json(
    "JSON with a list of 1,000 images",
    (image) => JSON.stringify({ products: [{ id: "A", images: Array.from({ length: 1_000 }, () => image) }] }),
    { products: [["A", ""]] },
  ),
  lines(
    "NDJSON behind a byte order mark, with blank lines and CRLF",
    (image) => `\uFEFF{"id":"A","images":["${image}"]}\r\n\r\n \r\n{"id":"B","images":["${image}"]}`,
    {
      products: [
        ["A", ""],
        ["B", ""],
      ],
    },
  ),
  lines(
    "NDJSON of lines of 900 kB",
    (image) => `${JSON.stringify({ id: "A", name: "M".repeat(900_000), images: [image] })}\n`.repeat(3),
    {},
  ),
];
