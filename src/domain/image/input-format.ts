/** The formats that inputs are taken in, and what their files are called. */
export const INPUT_FILES = {
  jpeg: { extension: "jpg", mediaType: "image/jpeg" },
  png: { extension: "png", mediaType: "image/png" },
  webp: { extension: "webp", mediaType: "image/webp" },
  avif: { extension: "avif", mediaType: "image/avif" },
  gif: { extension: "gif", mediaType: "image/gif" },
  tiff: { extension: "tiff", mediaType: "image/tiff" },
  svg: { extension: "svg", mediaType: "image/svg+xml" },
} as const;
export type InputFormat = keyof typeof INPUT_FILES;

/** The extension of a download that is kept; `bin` where its format is not known. */
export function inputExtension(mediaType: string | null): string {
  return Object.values(INPUT_FILES).find((file) => file.mediaType === mediaType)?.extension ?? "bin";
}
