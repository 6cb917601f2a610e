import { open } from "node:fs/promises";
import { isGzip } from "./unpack.ts";

const LINE_ENDS = new Set([0x0a, 0x0d]);

/**
 * Whether a file of `bytes` (1 or more) ends with the end of a line, in any encoding that is read. A gzipped one counts as well: it
 * tells itself where it ends (RFC 1952 §2.3.1).
 */
export async function endsInLine(path: string, bytes: number): Promise<boolean> {
  const file = await open(path);
  try {
    const head = Buffer.alloc(2);
    await file.read(head, 0, head.length, 0);
    if (isGzip(head)) return true;
    const tail = Buffer.alloc(Math.min(bytes, 2));
    await file.read(tail, 0, tail.length, bytes - tail.length);
    // In UTF-16 of either order one of the two is zero.
    const last = tail.at(-1) === 0 ? tail.at(-2) : tail.at(-1);
    return last !== undefined && LINE_ENDS.has(last);
  } finally {
    await file.close();
  }
}
