import { MAIN_OUTPUT } from "./image/recipe.ts";

/**
 * Names that are safe in a URL, in a folder and on every file system: letters, digits, `-` and `_` of the
 * product's own id, at most 60 characters, so that `{slug}-{n}.{extension}` stays readable.
 */
const SLUG_LENGTH_MAX = 60;
/** The rest of a longer serial is not looked at, since a slug is shorter anyway. */
const SERIAL_LENGTH_MAX = 500;

/** Long enough for a slug, the number of an image, an output's own name and an extension. */
const FILE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,120}$/;

/** Whether it is a file name of the kind that we give: no path, and no hidden file. */
export function isFileName(text: string): boolean {
  return FILE_NAME.test(text) && !text.includes("..");
}

/** A serial that is a slug already, as most are. */
const SAFE = /^\w(?:[\w-]{0,58}\w)?$/;

export function slugOf(serial: string): string {
  if (SAFE.test(serial)) return serial;
  const slug = serial
    .slice(0, SERIAL_LENGTH_MAX)
    .normalize("NFKD")
    .replaceAll(/[\u0300-\u036F]/g, "")
    .replaceAll(/[^A-Za-z0-9_-]+/g, "-")
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, SLUG_LENGTH_MAX);
  return slug === "" ? "image" : slug;
}

/** `stem` is `{slug}-{n}`; n counts from 1, as people do. An output with a name of its own has it at the end. */
export function outputFileName(stem: string, outputName: string, extension: string): string {
  return outputName === MAIN_OUTPUT ? `${stem}.${extension}` : `${stem}-${outputName}.${extension}`;
}
