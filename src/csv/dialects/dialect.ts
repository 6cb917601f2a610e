/** A header as reduceHeader() gives it, or a pattern of such headers, for those with a number or a suffix (`IMAGE1` … `IMAGE10`). */
type HeaderName = string | RegExp;

type ImageColumns = {
  header: HeaderName;
  /** `single`: the cell is for one URL. `list`: for several. Both as findUrlSpans() reads them. */
  cell: "single" | "list";
  /** What a cell without an image holds, where that is not nothing. */
  blank?: string;
  /** Where this header is there too, it tells the same better, and this column is not read. */
  unless?: HeaderName;
};

/** What is to be known of a shop system's export; data, not code. */
export type Dialect = {
  /** The word that the API uses, and what people call it. */
  name: string;
  title: string;
  /** Lists of synonyms: one header of every list must be there. */
  required: readonly (readonly HeaderName[])[];
  /** Each of these headers that is there makes this dialect likelier than another that fits as well. */
  strong: readonly HeaderName[];
  /** Any of these headers rules the dialect out. */
  excluding: readonly HeaderName[];
  /** In the order of preference: the first that is not empty in a row names that row's outputs. */
  id: readonly HeaderName[];
  productName: readonly HeaderName[];
  images: readonly ImageColumns[];
  /** What relative paths in such a file are relative to, where the system has one address for all shops. */
  baseUrl?: string;
  /** What surprises people in such files, a sentence each. */
  traps: readonly string[];
};

/** Case, spaces and punctuation do not matter: `S. No.` and `s no` are the same, and so are `g:image_link` and `image link`. */
export function reduceHeader(header: string): string {
  // To NFC first: macOS writes `á` as a letter and an accent, and the accent, which is no letter, would be dropped.
  return header
    .normalize("NFC")
    .toLowerCase()
    .replace(/^\s*g:/, "")
    .replaceAll(/[^\p{L}\p{N}]+/gu, "");
}

/** No system's header has as many. In a longer text a pattern with a gap (`url.*xyz`) takes time that grows with its square. */
const PATTERN_CHARS_MAX = 1_000;

/** `reduced` as reduceHeader() gives it. */
export function matchesHeader(reduced: string, name: HeaderName): boolean {
  if (typeof name === "string") return reduced === name;
  return reduced.length <= PATTERN_CHARS_MAX && name.test(reduced);
}
