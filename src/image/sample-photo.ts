import sharp, { type Sharp } from "sharp";

/** A picture that compresses like a photograph: soft light, edges, and grain. The same seed gives the same bytes. */
export type SamplePhoto = {
  width: number;
  height: number;
  seed: number;
  format: "jpeg" | "png" | "webp" | "avif" | "gif" | "tiff";
  isTransparent?: boolean;
  isGrey?: boolean;
  orientation?: number;
};

const QUALITY = 88;

export async function makeSamplePhoto(photo: SamplePhoto): Promise<Buffer> {
  const { width, height } = photo;
  const pixels = photo.isTransparent ? addAlpha(paint(photo), width, height) : paint(photo);
  let image = sharp(pixels, { raw: { width, height, channels: photo.isTransparent ? 4 : 3 } });
  if (photo.isGrey) image = image.greyscale();
  if (photo.orientation) image = image.withMetadata({ orientation: photo.orientation });
  return write(image, photo.format).toBuffer();
}

function write(image: Sharp, format: SamplePhoto["format"]): Sharp {
  switch (format) {
    case "jpeg":
      return image.jpeg({ quality: QUALITY });
    case "png":
      return image.png({ compressionLevel: 3 });
    case "webp":
      return image.webp({ quality: QUALITY, effort: 1 });
    case "avif":
      return image.avif({ quality: 60, effort: 0 });
    case "gif":
      return image.gif({ effort: 1 });
    case "tiff":
      return image.tiff({ compression: "lzw" });
    default:
      return format satisfies never;
  }
}

/** Light falls off across the picture, waves give edges at several scales, grain keeps it from being too smooth. */
function paint({ width, height, seed }: SamplePhoto): Buffer {
  const pixels = Buffer.alloc(width * height * 3);
  let grain = seed * 2_654_435_761;
  const [fx, fy, tint] = [3 + (seed % 5), 2 + (seed % 7), seed % 3];
  for (let y = 0, at = 0; y < height; y += 1) {
    const v = y / height;
    const wave = Math.sin(v * fy * 6.283) * 40;
    for (let x = 0; x < width; x += 1, at += 3) {
      const u = x / width;
      grain = (Math.imul(grain, 1_664_525) + 1_013_904_223) | 0;
      const light =
        90 + 110 * (1 - u * v) + wave * Math.cos(u * fx * 6.283) + ((((x * fx) >> 6) ^ ((y * fy) >> 6)) % 5) * 4 + (grain >>> 28) - 8;
      pixels[at] = clamp(light + (tint === 0 ? 25 : 0));
      pixels[at + 1] = clamp(light * 0.9 + (tint === 1 ? 25 : 0));
      pixels[at + 2] = clamp(light * 0.8 + (tint === 2 ? 40 : 0));
    }
  }
  return pixels;
}

/** A disc of product on nothing. */
function addAlpha(rgb: Buffer, width: number, height: number): Buffer {
  const rgba = Buffer.alloc(width * height * 4);
  for (let pixel = 0; pixel < width * height; pixel += 1) {
    const [dx, dy] = [(pixel % width) / width - 0.5, Math.floor(pixel / width) / height - 0.5];
    rgb.copy(rgba, pixel * 4, pixel * 3, pixel * 3 + 3);
    rgba[pixel * 4 + 3] = dx * dx + dy * dy < 0.2 ? 255 : 0;
  }
  return rgba;
}

function clamp(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}
