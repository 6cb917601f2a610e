import { MAIN_OUTPUT } from "./recipe.ts";

/**
 * Names that are safe in a URL, in a folder and on every file system: letters, digits, `-` and `_` of the
 * product's own id, at most 60 characters, so that `{slug}-{n}.{extension}` stays readable.
 */
const SLUG_LENGTH_MAX = 60;
/** More of a serial is not looked at: it is cut to less anyway. */
const SERIAL_LENGTH_MAX = 500;

/** A slug, the number of an image, an output's own name and an extension fit in. */
const FILE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,120}$/;

/** Whether it can only be a name, of the kind that we give: no path, nothing hidden. */
export function isFileName(text: string): boolean {
  return FILE_NAME.test(text) && !text.includes("..");
}

/** What is left as it is: most ids are made of nothing else. */
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

/** `stem` is `{slug}-{n}`; n counts from 1, as people do. An output with a name of its own bears it behind. */
export function outputFileName(stem: string, outputName: string, extension: string): string {
  return outputName === MAIN_OUTPUT ? `${stem}.${extension}` : `${stem}-${outputName}.${extension}`;
}
