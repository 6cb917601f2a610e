/** Pages whose command blocks are run, in this order. */
export const PAGES = [
  "README.md",
  "CONTRIBUTING.md",
  "docs/command-line.md",
  "docs/files.md",
  "docs/operating.md",
  "docs/pausing.md",
  "docs/politeness.md",
  "docs/recipes.md",
  "docs/report-columns.md",
  "docs/reporting.md",
  "docs/rest-api.md",
  "docs/webhooks.md",
];

/** Blocks that are not run here, by page and first line: why, and where they are run. */
export const NOT_RUN: Record<string, Record<string, string>> = {
  "README.md": {
    "npm ci && npm run demo     # a sample catalogue through the whole service, on this machine":
      ".ci/run does, at each change; this test would run itself",
  },
  "CONTRIBUTING.md": {
    "npm ci            # brings Node 24 and PostgreSQL 18 along": ".ci/run does, at each change; this test would run itself",
  },
  "docs/command-line.md": {
    "npm ci && npm pack                  # in a checkout: makes pressrun-VERSION.tgz":
      "test/package/installed.test.ts packs, installs the .tgz into an empty folder and runs it; the registry's `pressrun` is somebody else's",
  },
  "docs/rest-api.md": {
    "npx openapi-typescript openapi.json -o pressrun.d.ts": "test/sdk/generated-clients.test.ts does, and runs what comes",
    "npx @hey-api/openapi-ts -i openapi.json -o pressrun-sdk -c @hey-api/client-fetch":
      "test/sdk/generated-clients.test.ts does, and runs what comes",
  },
};

/** What is shown without a command right above it, by page and first line: where it comes from. */
export const SHOWN_BESIDES: Record<string, Record<string, string>> = {
  "README.md": {
    "Starting: a shop with sample pictures, a webhook receiver, PostgreSQL and Pressrun …":
      "`npm run demo`, which test/package/installed.test.ts runs and compares",
  },
  "docs/recipes.md": {
    "recipe                                  MB  of input  ms CPU/megapixel  kept": "measured: `npm run bench -- recipes`",
  },
  "docs/reporting.md": { "batches, all                                        9 ms": "measured: `npm run bench -- reports`" },
  "docs/webhooks.md": { "{": "two events, which test/docs/webhooks.test.ts holds against the contract" },
};

/** What a command ends with where that is not 0, by page. */
export const EXIT_CODES: Record<string, Record<string, number>> = {
  "README.md": { "node bin/pressrun.js process products.csv --out out --width 1200 --format webp": 1 },
  "docs/operating.md": { "HOST=0.0.0.0 PORT=ninety pressrun serve": 1 },
  "docs/command-line.md": {
    "pressrun process products.csv --out out --widht 1200": 2,
    "pressrun process products.csv --out out --width 1200 --format webp": 1,
    "pressrun process products.csv --out other --json 2> /dev/null": 1,
    "pressrun process products.csv --out out --width 1200 --format webp --again": 1,
    "pressrun process products.csv --out out": 2,
    "pressrun process bad.csv --out third": 2,
    "pressrun check export.csv --probe 50": 1,
  },
};

/** Blocks that go on until they are stopped, and what they print when they can be used; null: nothing. */
export const LASTING: [RegExp, RegExp | null][] = [
  [/npm start$/, /listens on (?<url>\S+)[^]*Database: psql/],
  [/^node -e .*createServer.*"127\.0\.0\.1"\)'$/, null],
];

/** What the pages name, and what is there in its place; the first that fits is taken. */
export function replacementsFor(here: {
  service: string;
  origin: string;
  databaseUrl: string;
  analystUrl: string;
  receiverPort: number;
}): [string, string][] {
  return [
    ["http://127.0.0.1:3000", here.service],
    ["https://upload.wikimedia.org/wikipedia/commons/a/a9/Example.jpg", `${here.origin}/photo/1.jpg`],
    ["https://upload.wikimedia.org/wikipedia/commons/4/47/PNG_transparency_demonstration_1.png", `${here.origin}/photo/2.jpg`],
    ["https://upload.wikimedia.org", here.origin],
    ["https://images.shop.example", here.origin],
    ["https://shop.example", here.origin],
    ["shop.example", new URL(here.origin).host],
    ["postgres://user:password@host/pressrun", here.databaseUrl],
    ["postgres://analyst:…@127.0.0.1:54320/pressrun", here.analystUrl],
    // The port of a service that a page starts is the system's to choose.
    ["npm start", "PORT=0 npm start"],
    ["?? 8080", `?? ${here.receiverPort}`],
    [".listen(8080", `.listen(${here.receiverPort}`],
    ["http://127.0.0.1:8080", `http://127.0.0.1:${here.receiverPort}`],
  ];
}

/** What the reader has already when a page's blocks are run. */
export const FILES: Record<string, string> = {
  "products.csv": catalogue([
    ...numbers(38).map((number) => [photo(number)]),
    [photo(39), "https://shop.example/gone/40.jpg"],
    ["https://shop.example/gone/41.jpg"],
  ]),
  "bad.csv": "S. No,Product Name,Input Image Urls\n1,Mug,https://shop.example/photo/1.jpg\n2,Cup,cup.jpg\n",
  "products.jsonl": `{"id":"MUG-1","name":"Mug","images":["${photo(1)}"]}\n`,
  "body.json": '{"name":"Müller"}',
  // As Shopify writes it: two variants of each product, of which the second has a row without an image.
  "export.csv": [
    "Title,URL handle,Product image URL,Variant image URL",
    ...numbers(40).flatMap((number) => {
      const image = number === 21 ? "mug-21.jpg" : number === 7 ? "https://shop.example/old/mug-7.jpg" : photo(number);
      return [`Mug ${number},mug-${number},${image},${number === 21 ? "" : image}`, `,mug-${number},,`];
    }),
    "",
  ].join("\n"),
};

/** What lies at the origin besides its photos. */
export const ORIGIN_FILES: Record<string, string> = { "/export.csv": catalogue([[photo(1)]]) };

function catalogue(rows: string[][]): string {
  return [
    "S. No,Product Name,Input Image Urls",
    ...rows.map((urls, index) => `${index + 1},Mug ${index + 1},"${urls.join(",")}"`),
    "",
  ].join("\n");
}

function photo(number: number): string {
  return `https://shop.example/photo/${number}.jpg`;
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
