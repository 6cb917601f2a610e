import exifReader from "exif-reader";
import type { Metadata, Sharp } from "sharp";

/** Who made an image and who owns it: the tags that stay, and what they are called in IFD0 (Exif 3.0, 4.6.4). */
const TAGS = ["Copyright", "Artist"] as const;
const TEXT_CHARS_MAX = 1_000;

/** Writes the input's copyright and artist into the output, and nothing else of its metadata. */
export function keepCopyright(image: Sharp, { exif }: Pick<Metadata, "exif">): Sharp {
  const kept = exif ? readTags(exif) : {};
  return Object.keys(kept).length > 0 ? image.withExif({ IFD0: kept }) : image;
}

function readTags(exif: Buffer): Record<string, string> {
  try {
    const { Image: tags = {} } = exifReader(exif) as { Image?: Record<string, unknown> };
    return Object.fromEntries(
      TAGS.flatMap((tag) => {
        const text = tags[tag];
        return typeof text === "string" && text.trim() !== "" ? [[tag, text.slice(0, TEXT_CHARS_MAX)]] : [];
      }),
    );
  } catch {
    // Exif that cannot be read says nothing: the image itself is whole.
    return {};
  }
}
