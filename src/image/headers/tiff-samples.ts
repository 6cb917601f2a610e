/** TIFF 6.0: what a TIFF's tags say of its samples, each where it is said. */
type TiffSamples = {
  bits: number | undefined;
  format: number | undefined;
  /** Of a pixel. */
  count: number | undefined;
  photometric: number | undefined;
  compression: number | undefined;
  /** A plane for each colour. */
  isPlanar: boolean;
};

/** Lab as L, a and b; the others are greys either way round, RGB, a palette, inks and YCbCr. */
const LAB = 8;
const YCBCR = 6;
/** libvips has a JPEG's decoder make RGB of them, and takes them for RGB without one. */
const JPEG = 7;
const OLD_JPEG = 6;
const COLOURS: ReadonlySet<number> = new Set([0, 1, 2, 3, 5, 6, LAB]);
/** SampleFormat; 4 is for what is not known, which is taken as whole numbers from 0 on (1). */
const OTHER_NUMBERS: Readonly<Record<number, string>> = {
  2: "signed numbers",
  3: "floating-point numbers",
  5: "complex numbers",
  6: "complex numbers",
};

/**
 * What a TIFF holds that libvips takes for something else, in words that go into a sentence; null where there is no doubt. It takes
 * floating-point greys for 0 to 255 and colours for linear light from 0 to 1, but black where they have a profile; programs write all of
 * these, and only the user knows which. Of 32 bits it keeps the lowest, and of signed numbers half the range.
 */
export function nameUnreadSamples({
  bits = 1,
  format = 1,
  count = 1,
  photometric = 1,
  compression = 1,
  isPlanar,
}: TiffSamples): string | null {
  if (!COLOURS.has(photometric)) return `colours of a kind that is not supported (PhotometricInterpretation ${photometric})`;
  if (photometric === YCBCR && (isPlanar || (compression !== JPEG && compression !== OLD_JPEG)))
    return "YCbCr colours, which are supported where they are compressed as JPEG, all of a pixel together";
  // Only so does libvips know them; what says how transparent they are it loses.
  if (photometric === LAB)
    return bits === 16 && count === 3 ? null : `CIELab colours, which are supported in 16 bits and without transparency`;
  const numbers = OTHER_NUMBERS[format];
  if (numbers !== undefined) return `${numbers}, which do not say how light they are; whole numbers from 0 on are supported`;
  if (bits === 8 || bits === 16 || (count === 1 && (bits === 1 || bits === 2 || bits === 4))) return null;
  return `${count > 1 ? "colours" : "greys"} of ${bits} bits; 8 and 16 are supported`;
}
