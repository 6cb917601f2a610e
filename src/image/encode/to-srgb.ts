import { BT2020, DISPLAY_P3, GAMMA_28, LINEAR, type Numbered } from "../headers/numbered-colours.ts";

type Matrix = readonly [number, number, number, number, number, number, number, number, number];

/** From linear light of these primaries to that of sRGB's, by row: CSS Color 4, sample code. The white is the same, D65. */
const MATRICES: ReadonlyMap<number, Matrix> = new Map([
  [BT2020, [1.660491, -0.5876411, -0.0728499, -0.1245505, 1.1328999, -0.0083494, -0.0181508, -0.1005789, 1.1187297]],
  [DISPLAY_P3, [1.2249402, -0.2249402, 0, -0.042057, 1.042057, 0, -0.0196376, -0.078636, 1.0982736]],
]);

/** Fine enough for the darkest colours, where a step of 8 bits is 1/3,300 of the light. */
const STEPS = 16_384;

/**
 * Brings 8-bit pixels in place to sRGB from what ITU-T H.273's numbers say of them; what lies outside of it is cut to its edge, as a
 * conversion by profiles does. libvips converts by profiles only, and no decoder makes one of the numbers. Some 15 ms of CPU a megapixel.
 */
export function bringToSrgb(pixels: Buffer, channels: number, { primaries, transfer }: Numbered): void {
  const lights = Float64Array.from({ length: 256 }, (_, value) => lightOf(value / 255, transfer));
  const values = Uint8Array.from({ length: STEPS + 1 }, (_, step) => Math.round(255 * encode(step / STEPS)));
  const valueOf = (light: number) => values[Math.round(Math.min(1, Math.max(0, light)) * STEPS)] ?? 0;
  const matrix = MATRICES.get(primaries);
  if (channels < 3 || matrix === undefined) {
    const table = Uint8Array.from(lights, valueOf);
    // An even count has its last for transparency.
    const colours = channels - (channels % 2 === 0 ? 1 : 0);
    for (let at = 0; at < pixels.length; at += channels)
      for (let colour = at; colour < at + colours; colour += 1) pixels[colour] = table[pixels[colour] ?? 0] ?? 0;
    return;
  }
  const [a, b, c, d, e, f, g, h, i] = matrix;
  for (let at = 0; at + 2 < pixels.length; at += channels) {
    const red = lights[pixels[at] ?? 0] ?? 0;
    const green = lights[pixels[at + 1] ?? 0] ?? 0;
    const blue = lights[pixels[at + 2] ?? 0] ?? 0;
    pixels[at] = valueOf(a * red + b * green + c * blue);
    pixels[at + 1] = valueOf(d * red + e * green + f * blue);
    pixels[at + 2] = valueOf(g * red + h * green + i * blue);
  }
}

/** Divides colours in place by the transparency that they were multiplied by. */
export function divideByAlpha(pixels: Buffer, channels: number): void {
  if (channels % 2 === 1) return;
  for (let at = channels - 1; at < pixels.length; at += channels) {
    const alpha = pixels[at] ?? 0;
    if (alpha === 0 || alpha === 255) continue;
    for (let colour = at - channels + 1; colour < at; colour += 1)
      pixels[colour] = Math.min(255, Math.round(((pixels[colour] ?? 0) * 255) / alpha));
  }
}

function lightOf(value: number, transfer: number): number {
  if (transfer === LINEAR) return value;
  if (transfer === GAMMA_28) return value ** 2.8;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

/** IEC 61966-2-1. */
function encode(light: number): number {
  return light <= 0.0031308 ? light * 12.92 : 1.055 * light ** (1 / 2.4) - 0.055;
}
