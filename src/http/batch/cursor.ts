import { ProblemError } from "../problems.ts";

export function readLineCursor(cursor: string | undefined): number {
  return cursor === undefined ? 0 : Number(readCursor(cursor, /^line:(\d{1,9})$/));
}

export function readBatchCursor(cursor: string | undefined): string | null {
  return cursor === undefined ? null : readCursor(cursor, /^batch:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/);
}

function readCursor(cursor: string, form: RegExp): string {
  const place = form.exec(Buffer.from(cursor, "base64url").toString())?.[1];
  if (place === undefined) throw new ProblemError("bad_request", "Expected cursor as nextCursor gave it.");
  return place;
}
