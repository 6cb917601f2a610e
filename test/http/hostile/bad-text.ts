import { csvCase, csvOfUrl, gzip, HEAD, invalidCsv, latin1, SEED_ROUTE, utf16, type HostileCase } from "./hostile-case.ts";

const ROW = "1,Mug,https://shop.example/mug.jpg\n";
const bytes = (before: string, ...middle: number[]) =>
  Buffer.concat([latin1(before), Buffer.from(middle), latin1(",https://shop.example/a.jpg\n")]);

/** Bytes that are no text, and gzip that is none. */
export const BAD_TEXT: HostileCase[] = [
  csvCase("NUL in a cell", () => `${HEAD}${ROW}2,Mu\0g,https://shop.example/a.jpg\n`, [3, null, "not_csv"], /NUL byte in line 3/),
  csvCase("NUL as the last byte", () => `${HEAD}${ROW}\0`, [3, null, "not_csv"], /NUL byte in line 3/),
  csvCase("nothing but NUL", () => Buffer.alloc(10_000), [1, null, "not_csv"], /NUL byte in line 1/),
  csvCase("NUL behind 12 MB of rows", () => `${HEAD}${ROW.repeat(360_000)}\0`, [360_002, null, "not_csv"], /NUL byte in line 360002/),
  csvCase("UTF-16 without a byte order mark", () => utf16(HEAD + ROW), [1, null, "not_csv"], /NUL byte.+CSV UTF-8/),
  csvCase("UTF-16 big-endian without a byte order mark", () => utf16(HEAD + ROW).swap16(), [1, null, "not_csv"], /CSV UTF-8/),
  csvCase(
    "UTF-16 with half a pair",
    () => utf16(`\uFEFF${HEAD}1,\uD83D,https://shop.example/a.jpg\n`),
    [2, null, "invalid_utf16"],
    /line 2/,
  ),
  csvCase(
    "UTF-16 with a pair the wrong way round",
    () => utf16(`\uFEFF${HEAD}${ROW}2,\uDE00\uD83D,https://shop.example/a.jpg\n`),
    [3, null, "invalid_utf16"],
    /line 3/,
  ),
  csvCase("UTF-16 that ends with half a pair", () => utf16(`\uFEFF${HEAD}${ROW}2,Mug\uD83D`), [3, null, "invalid_utf16"], /line 3/),
  csvCase(
    "UTF-16 of an odd number of bytes",
    () => utf16(`\uFEFF${HEAD}${ROW}`).subarray(0, -1),
    [2, null, "invalid_utf16"],
    /byte order mark says/,
  ),
  csvCase(
    "UTF-16 with a NUL",
    () => utf16(`\uFEFF${HEAD}1,\0,https://shop.example/a.jpg\n`).swap16(),
    [2, null, "invalid_utf16"],
    /line 2/,
  ),
  csvCase(
    "UTF-8 behind the mark of UTF-16",
    () => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(HEAD + ROW)]),
    [1, null, "invalid_utf16"],
    /byte order mark/,
  ),
  csvCase(
    "UTF-32",
    () =>
      Buffer.from(
        Array.from(`\uFEFF${HEAD}${ROW}`, (character) => [character.charCodeAt(0) & 255, character.charCodeAt(0) >> 8, 0, 0]).flat(),
      ),
    [1, null, "invalid_utf16"],
    /CSV UTF-8/,
  ),
  csvCase(
    "UTF-32 big-endian",
    () =>
      Buffer.from(Array.from(`\uFEFF${HEAD}`, (character) => [0, 0, character.charCodeAt(0) >> 8, character.charCodeAt(0) & 255]).flat()),
    [1, null, "not_csv"],
    /CSV UTF-8/,
  ),
  csvCase("an overlong slash", () => bytes(`\xef\xbb\xbf${HEAD}1,a`, 0xc0, 0xaf), [2, null, "invalid_utf8"], /line 2/),
  csvCase("an overlong NUL", () => bytes(`\xef\xbb\xbf${HEAD}1,a`, 0xc0, 0x80), [2, null, "invalid_utf8"], /line 2/),
  csvCase(
    "surrogates in UTF-8 (CESU-8)",
    () => bytes(`${HEAD}1,`, 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80),
    [2, null, "invalid_utf8"],
    /line 2/,
  ),
  csvCase("half a surrogate in UTF-8", () => bytes(`${HEAD}1,`, 0xed, 0xb8, 0x80), [2, null, "invalid_utf8"], /line 2/),
  csvCase("a character beyond Unicode", () => bytes(`\xef\xbb\xbf${HEAD}1,`, 0xf5, 0x80, 0x80, 0x80), [2, null, "invalid_utf8"], /line 2/),
  csvCase("bytes that no encoding has", () => bytes(`${HEAD}1,`, 0x81, 0x8d), [2, null, "invalid_utf8"], /line 2/),
  csvCase(
    "UTF-8 that was cut at its end",
    () => Buffer.concat([Buffer.from(`${HEAD}1,Gläser für Köche,https://shop.example/a.jpg\n2,`), Buffer.from([0xe2, 0x82])]),
    [3, null, "invalid_utf8"],
    /line 3/,
  ),
  csvCase(
    "one bad byte in much good UTF-8",
    () => Buffer.concat([Buffer.from(HEAD + "1,Gläser,https://shop.example/a.jpg\n".repeat(1_000)), Buffer.from([0xff])]),
    [1_002, null, "invalid_utf8"],
    /line 1002/,
  ),
  csvCase("gzip that was cut", () => gzip(HEAD + ROW.repeat(1_000)).subarray(0, -20), [1, null, "damaged_gzip"], /cut off or damaged/),
  csvCase("gzip of two bytes", () => Buffer.from([0x1f, 0x8b]), [1, null, "damaged_gzip"], /pack it again/),
  csvCase(
    "gzip with a wrong checksum",
    () => Buffer.concat([gzip(HEAD + ROW).subarray(0, -8), Buffer.alloc(8)]),
    [1, null, "damaged_gzip"],
    /damaged/,
  ),
  csvCase(
    "gzip whose second member is damaged",
    () => Buffer.concat([gzip(HEAD + ROW), gzip(ROW).subarray(0, 12)]),
    [1, null, "damaged_gzip"],
    /damaged/,
  ),
  csvCase(
    "gzip with more behind it",
    () => Buffer.concat([gzip(HEAD + ROW), Buffer.from("2,Cup,https://shop.example/cup.jpg\n")]),
    [1, null, "damaged_gzip"],
    /more behind|damaged/,
  ),
  csvCase("gzip of nothing", () => gzip(""), [1, null, "empty_file"], /empty file/),
  csvCase("a bomb: 1 GB of zeros", () => zeros(), [1, null, "not_csv"], /NUL byte/),
  csvCase(
    "a bomb: 100 MB of one row",
    () => gzip((HEAD + ROW.repeat(3_000_000)).slice(0, 100_000_000)),
    [1, null, "unpacked_too_large"],
    /no more than 200 times/,
  ),
  {
    name: "a bomb in a form",
    make: () => ({ body: bombForm(), path: SEED_ROUTE }),
    ...invalidCsv([1, null, "unpacked_too_large"], /200 times/),
  },
  csvCase("a bomb of blank lines", () => gzip("\n".repeat(50_000_000)), [1, null, "unpacked_too_large"], /200 times/),
  csvCase("a cell of UTF-7 is read as it stands", () => csvOfUrl("+AGgAdAB0AHA-"), [2, "Input Image Urls", "url_invalid"], /AGgAdAB0AHA/),
];

/** 1 GB in 1 MB: members of gzip may follow each other. */
function zeros(): Buffer {
  const member = gzip(Buffer.alloc(64 * 1024 * 1024));
  return Buffer.concat(Array.from({ length: 16 }, () => member));
}

function bombForm(): FormData {
  const form = new FormData();
  form.set("file", new Blob([new Uint8Array(gzip("a,".repeat(30_000_000)))]), "products.csv.gz");
  return form;
}
