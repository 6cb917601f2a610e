import { OptionFaults } from "../intake/options/word-faults.ts";
import { Unusable } from "./unusable.ts";

/**
 * Reads a command's flags as options of the API, with the API's own reader. commander gives flags the API's names (`--base-url`
 * is `baseUrl`); faults name the flags.
 */
export function readFlags<Options>(
  read: (fields: Readonly<Record<string, unknown>>) => Options,
  flags: Readonly<Record<string, unknown>>,
): Options {
  try {
    return read(flags);
  } catch (error) {
    if (!(error instanceof OptionFaults)) throw error;
    const faults = error.faults.map(({ field, message }) => `${flagOf(field)}: ${message}`);
    throw new Unusable(faults.join("\n"), { cause: error });
  }
}

/** In the API `metadata` can be a client's own JSON; the flag of that name is always about that of images. */
function flagOf(field: string): string {
  if (field === "keepMetadata") return "--metadata";
  return `--${field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** The options that problems of a file and notes on its dialect name, each followed by `=` where a value is shown. */
const OPTIONS_NAMED = /\b(?:imageColumns|onInvalid|baseUrl)\b/g;

/** A sentence that was worded for the API, with the flags of the command line in the place of the API's options. */
export function nameFlags(sentence: string): string {
  return sentence.replaceAll(OPTIONS_NAMED, flagOf);
}
