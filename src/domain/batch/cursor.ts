/** What a page ended with: the line of a product, or the id of a batch. */
const FORMS = { line: /^line:(\d{1,9})$/, batch: /^batch:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/ };
export type CursorKind = keyof typeof FORMS;

/** Opaque to clients, so that it can mean something else in a later version. */
export function writeCursor(kind: CursorKind, place: number | string): string {
  return Buffer.from(`${kind}:${place}`).toString("base64url");
}

/** The place as it was written; null where it is none of this kind. */
export function readCursor(kind: CursorKind, cursor: string): string | null {
  return FORMS[kind].exec(Buffer.from(cursor, "base64url").toString())?.[1] ?? null;
}
