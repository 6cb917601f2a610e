import { open } from "node:fs/promises";
import type { Size } from "../../domain/image/output-size.ts";
import { GIF_HEADER_BYTES, gifTableBytes } from "../headers/sizes.ts";

/** GIF89a, 23, 20 and 22: a frame of one pixel, whose only colour is the transparent one. Where it lies is still to be said. */
const CLEAR_FRAME = Buffer.from("21f90401000000002c0000000001000100000202440100", "hex");
const [LEFT, TOP] = [9, 11];

/**
 * A GIF whose first frame leaves some of the screen free, with a clear frame put before it: its picture is the second one then. libvips
 * decodes what is free as transparent, but gives transparency only where some frame has a transparent colour, and black elsewhere.
 * The clear frame lies in the far corner of the screen, of which libvips passes over some sizes, such as 640 x 480, as mistakes.
 */
export async function readOnClearCanvas({ path, bytes, width, height }: { path: string; bytes: number } & Size): Promise<Buffer> {
  // In place: libvips maps a file of up to 50 MB as well, twice that would be too much.
  const gif = Buffer.alloc(CLEAR_FRAME.length + bytes);
  const file = await open(path, "r");
  try {
    await file.read(gif, CLEAR_FRAME.length, bytes, 0);
  } finally {
    await file.close();
  }
  const at = GIF_HEADER_BYTES + gifTableBytes(gif[CLEAR_FRAME.length + 10] ?? 0);
  gif.copyWithin(0, CLEAR_FRAME.length, CLEAR_FRAME.length + at);
  gif.set(CLEAR_FRAME, at);
  gif.writeUInt16LE(width - 1, at + LEFT);
  gif.writeUInt16LE(height - 1, at + TOP);
  return gif;
}
