/** Opaque to callers, so that it may mean something else tomorrow. Read by http/cursor.ts. */
export function writeCursor(kind: "line" | "batch", place: number | string): string {
  return Buffer.from(`${kind}:${place}`).toString("base64url");
}
