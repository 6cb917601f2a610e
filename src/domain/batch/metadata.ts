/** It is only handed back: enough for a few ids of the client's own. */
export const METADATA_CHARS_MAX = 8 * 1024;
/** Parsers of clients stop at 64 levels (System.Text.Json), 128 (serde), 512 (PHP) or 1,000 (Python, Jackson), and ours lie a few deep in an answer. */
export const METADATA_LEVELS_MAX = 32;

/** Null where the caller's own JSON can be stored and handed back, else one sentence that says what is expected. */
export function findMetadataFault(metadata: Readonly<Record<string, unknown>>): string | null {
  const expected = `Expected at most ${METADATA_CHARS_MAX} characters of JSON in at most ${METADATA_LEVELS_MAX} levels`;
  if (!isNestedWithin(METADATA_LEVELS_MAX, metadata)) return `${expected}, got more levels.`;
  const text = JSON.stringify(metadata);
  if (text.length > METADATA_CHARS_MAX) return `${expected}, got ${text.length} characters.`;
  if (UNSTORABLE.test(text)) return "Expected text, got a NUL or half of a surrogate pair in it.";
  const place = findInexact(metadata);
  return place === null
    ? null
    : `Expected numbers up to ${Number.MAX_SAFE_INTEGER}, beyond which readers of JSON round, got a larger one in \`${place.slice(0, 60).toWellFormed()}\`; write it as text, in quotes.`;
}

/** Goes no deeper than that: JSON.parse() takes any depth, what calls itself some thousand levels. */
export function isNestedWithin(levels: number, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((part) => isNestedWithin(levels - 1, part));
}

/**
 * Where a number is that another may have become: of those beyond 2^53 - 1 a double holds only some, and beyond 1.8e308 none. Judged by
 * its value, since forms and JSON come here parsed: a fraction is a double wherever it comes from, and its digits beyond 17 go unseen.
 */
function findInexact(value: unknown, place = ""): string | null {
  if (typeof value === "number") return Math.abs(value) > Number.MAX_SAFE_INTEGER ? place : null;
  if (typeof value !== "object" || value === null) return null;
  for (const [name, part] of Object.entries(value)) {
    const found = findInexact(part, place === "" ? name : `${place}/${name}`);
    if (found !== null) return found;
  }
  return null;
}

/** What PostgreSQL's jsonb does not take, as JSON.stringify() writes it. */
const UNSTORABLE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f]..)/;
