/** Opaque to clients, so that it can mean something else in a later version. It is read by http/batch/cursor.ts. */
export function writeCursor(kind: "line" | "batch", place: number | string): string {
  return Buffer.from(`${kind}:${place}`).toString("base64url");
}
