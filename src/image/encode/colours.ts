import type { Metadata, Sharp } from "sharp";

/** What a file's headers say of its colours. */
export type Colours = Partial<Pick<Metadata, "space" | "icc">>;

/**
 * Has sharp go by the profile of 16-bit colours. Left alone it takes them from theirs to Display P3 and then says nothing of that, so
 * that they are shown paler, and it passes over the profile of 16-bit greys. Outputs have 8 bits, which it converts rightly.
 */
export function readDeepColours(image: Sharp, { space, icc }: Colours): Sharp {
  if (icc === undefined || (space !== "rgb16" && space !== "grey16")) return image;
  return image.pipelineColourspace(space === "rgb16" ? "srgb" : "b-w");
}

/**
 * Makes of grey what can stand on a coloured background: libvips works on a grey image in grey alone, and the background would be
 * grey as well. With a profile it comes to sRGB by that, as CMYK does, and a conversion before would leave nothing to apply it to.
 */
export function readForBackground(image: Sharp, { space, icc }: Colours): Sharp {
  const isGrey = space === "b-w" || space === "grey16";
  return isGrey && profileSpace(icc) !== "GRAY" ? image.pipelineColourspace("srgb") : image;
}

/** Whether an output, which is always RGB, can have the input's profile. One of greys or inks is applied instead. */
export function isProfileKept({ icc }: Colours): boolean {
  return profileSpace(icc) === "RGB ";
}

/** ICC.1:2022, 7.2: the colour space of the data stands at byte 16. */
function profileSpace(icc: Buffer | undefined): string | undefined {
  return icc?.toString("latin1", 16, 20);
}
