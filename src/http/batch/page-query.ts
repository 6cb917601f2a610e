import Type from "typebox";
import { readCursor, type CursorKind } from "../../domain/batch/cursor.ts";
import { ProblemError } from "../problems.ts";

/** Products of a batch on a page, on the seed's route as on today's. */
export const PRODUCTS_DEFAULT = 1_000;
export const PRODUCTS_MAX = 10_000;

/** The longest is that of a batch, whose id and kind are 56 characters in Base64. */
const CURSOR_LENGTH_MAX = 60;

/** The query of a route that lists. `description` says of `limit` how many of what there are, and how many by default. */
export function pageQuery(limitMax: number, description: string) {
  return Type.Object({
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limitMax, description, examples: [10] })),
    cursor: Type.Optional(
      Type.String({
        maxLength: CURSOR_LENGTH_MAX,
        description: "`nextCursor` of the page before this one; leave it out for the first page.",
      }),
    ),
  });
}

/** What the page before ended with; null of the first. */
export function placeOf(kind: CursorKind, cursor: string | undefined): string | null {
  if (cursor === undefined) return null;
  const place = readCursor(kind, cursor);
  if (place === null) throw new ProblemError("bad_request", "Expected cursor as nextCursor gave it.");
  return place;
}
