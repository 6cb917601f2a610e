import type { Fit } from "./recipe.ts";

type Size = { width: number; height: number };
type Box = { width?: number; height?: number; fit: Fit };

/** How much of the input's size an output needs before it is cut to its box: above 1 it would be enlarged. */
export function scaleInto({ width, height, fit }: Box, input: Size): number {
  if (width === undefined && height === undefined) return 1;
  const across = width === undefined ? null : width / input.width;
  const down = height === undefined ? null : height / input.height;
  if (across === null || down === null) return across ?? down ?? 1;
  return fit === "inside" || fit === "contain" ? Math.min(across, down) : Math.max(across, down);
}

/** The size of an output, or a little more: what is cut off to `cover` a box is still counted. */
export function outputSize(box: Box, input: Size): Size {
  const scale = Math.min(1, scaleInto(box, input));
  const scaled = { width: Math.max(1, Math.ceil(input.width * scale)), height: Math.max(1, Math.ceil(input.height * scale)) };
  // The frame around a `contain` is part of the output.
  return box.fit === "contain"
    ? { width: Math.max(scaled.width, box.width ?? 0), height: Math.max(scaled.height, box.height ?? 0) }
    : scaled;
}
