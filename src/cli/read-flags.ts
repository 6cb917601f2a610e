import { ProblemError } from "../http/problems.ts";
import { Unusable } from "./unusable.ts";

/**
 * Reads the options of the API from a command's flags with the API's own reader: commander names them as the API does
 * (`--base-url` is `baseUrl`), and faults are told under the flags' names.
 */
export function readFlags<Options>(
  read: (fields: Readonly<Record<string, unknown>>) => Options,
  flags: Readonly<Record<string, unknown>>,
): Options {
  try {
    return read(flags);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const faults = (error.more.errors ?? []).map((fault) =>
      "field" in fault ? `${flagOf(fault.field)}: ${fault.message}` : fault.message,
    );
    throw new Unusable(faults.join("\n"), { cause: error });
  }
}

/** `metadata` alone is the caller's own in the API; a flag is always about that of images. */
function flagOf(field: string): string {
  if (field === "keepMetadata") return "--metadata";
  return `--${field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
