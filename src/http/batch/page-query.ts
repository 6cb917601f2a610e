import Type from "typebox";

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
