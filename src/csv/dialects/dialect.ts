/** A header as it is compared: see reduceHeader(). A pattern stands for numbered or suffixed ones (`IMAGE1` … `IMAGE10`). */
export type HeaderName = string | RegExp;

export type ImageColumns = {
  header: HeaderName;
  /** `single`: the cell is for one URL. `list`: for several. Both as findUrlSpans() reads them. */
  cell: "single" | "list";
  /** A cell's content that says that there is no image. */
  blank?: string;
  /** Not read where this header is there as well, which tells the same better. */
  unless?: HeaderName;
};

/** What is to be known of a shop system's export; data, not code. */
export type Dialect = {
  /** The word that the API uses, and what people call it. */
  name: string;
  title: string;
  /** A list of synonyms each; one of every list must be there. */
  required: readonly (readonly HeaderName[])[];
  /** Each that is there makes this dialect likelier than another that fits as well. */
  strong: readonly HeaderName[];
  /** One of these rules it out. */
  excluding: readonly HeaderName[];
  /** In the order of preference: the first with something in its cell names the row's outputs. */
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
  // Composed first: macOS writes `á` as a letter and an accent, and the accent alone is no letter.
  return header
    .normalize("NFC")
    .toLowerCase()
    .replace(/^\s*g:/, "")
    .replaceAll(/[^\p{L}\p{N}]+/gu, "");
}

/** `reduced` as reduceHeader() gives it. */
export function matchesHeader(reduced: string, name: HeaderName): boolean {
  return typeof name === "string" ? reduced === name : name.test(reduced);
}
