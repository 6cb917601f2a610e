import type { Fit } from "./recipe.ts";

export type Size = { width: number; height: number };
export type Box = { width?: number; height?: number; fit: Fit };

/** The size that the whole image is scaled to, never up, before it is cropped (`cover`) or framed (`contain`). */
export function scaledSize(box: Box, input: Size): Size {
  const { across, down } = scales(box, input);
  const side = (pixels: number, scale: number) => Math.max(1, Math.round(pixels * Math.min(1, scale)));
  return { width: side(input.width, across), height: side(input.height, down) };
}

/** The size of an output; `input` is upright, as the output is. */
export function outputSize(box: Box, input: Size): Size {
  const { width, height } = scaledSize(box, input);
  switch (box.fit) {
    case "cover":
      return { width: Math.min(width, box.width ?? width), height: Math.min(height, box.height ?? height) };
    case "contain":
      return { width: Math.max(width, box.width ?? width), height: Math.max(height, box.height ?? height) };
    case "inside":
    case "outside":
    case "fill":
      return { width, height };
    default:
      return box.fit satisfies never;
  }
}

/** A side that is not given follows the other, but for `fill`, which stretches each on its own. */
function scales({ width, height, fit }: Box, input: Size): { across: number; down: number } {
  const across = width === undefined ? undefined : width / input.width;
  const down = height === undefined ? undefined : height / input.height;
  if (fit === "fill") return { across: across ?? 1, down: down ?? 1 };
  const [one = 1, other = one] = [across, down].filter((scale) => scale !== undefined);
  const scale = fit === "inside" || fit === "contain" ? Math.min(one, other) : Math.max(one, other);
  return { across: scale, down: scale };
}
