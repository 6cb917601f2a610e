/** The code that Node, a library or PostgreSQL gave an error, such as `ENOENT` or `42P01`; "" where it has none. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
