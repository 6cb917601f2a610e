/** It is only handed back: enough for a few ids of the client's own. */
export const METADATA_CHARS_MAX = 8 * 1024;
/** Parsers of clients stop at 64 levels (System.Text.Json), 128 (serde), 512 (PHP) or 1,000 (Python, Jackson), and ours lie a few deep in an answer. */
export const METADATA_LEVELS_MAX = 32;

/** Null where the caller's own JSON can be stored and handed back, else one sentence that says what is expected. */
export function findMetadataFault(metadata: Readonly<Record<string, unknown>>): string | null {
  const expected = `Expected at most ${METADATA_CHARS_MAX} characters of JSON in at most ${METADATA_LEVELS_MAX} levels`;
  if (!isWithin(METADATA_LEVELS_MAX, metadata)) return `${expected}, got more levels.`;
  const text = JSON.stringify(metadata);
  if (text.length > METADATA_CHARS_MAX) return `${expected}, got ${text.length} characters.`;
  return UNSTORABLE.test(text) ? "Expected text, got a NUL or half of a surrogate pair in it." : null;
}

/** Goes no deeper than that: JSON.parse() takes any depth, what calls itself some thousand levels. */
export function isWithin(levels: number, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((part) => isWithin(levels - 1, part));
}

/** What PostgreSQL's jsonb does not take, as JSON.stringify() writes it. */
const UNSTORABLE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f]..)/;
