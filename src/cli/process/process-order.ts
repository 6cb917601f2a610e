import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { readOptions } from "../../intake/options/read-options.ts";
import type { BatchOptions } from "../../intake/upload.ts";
import { withoutControls, shownPath } from "../plain-words.ts";
import { readFlags } from "../read-flags.ts";
import { Unusable } from "../unusable.ts";

/** One file and its folder. `again`: a finished folder is worked once more. */
export type ProcessOrder = { file: string; dir: string; again: boolean; publicUrl: string | null; options: BatchOptions };

/** Reads what a person asked for, or says what is wrong with it. */
export async function readOrder(file: string, flags: Readonly<Record<string, unknown>>): Promise<ProcessOrder> {
  const { out, again = false, publicUrl, metadata, sourceHeaders, ...fields } = flags;
  if (typeof out !== "string" || out.trim() === "") throw new Unusable("--out: Expected a folder for the results, got nothing.");
  // PostgreSQL counts the lines of its postmaster.pid, one of which is its folder's path.
  if (resolve(out).includes("\n"))
    throw new Unusable(`--out: Expected a path without line breaks, got ${withoutControls(shownPath(resolve(out)))}.`);
  // The API also takes a client's own JSON as `metadata`, which a run without an API would hand back to nobody.
  const options = readFlags((given) => readOptions({ fields: given, layout: null }, "balanced"), {
    ...fields,
    ...(metadata === undefined ? {} : { keepMetadata: metadata }),
    ...(typeof sourceHeaders === "string" ? { sourceHeaders: await readSecrets(sourceHeaders) } : {}),
  });
  return { file, dir: resolve(out), again: again === true, publicUrl: readPublicUrl(publicUrl), options };
}

function readPublicUrl(given: unknown): string | null {
  if (given === undefined) return null;
  const url = typeof given === "string" && URL.canParse(given) ? new URL(given) : null;
  const isUsable = url !== null && ["http:", "https:"].includes(url.protocol) && url.search === "" && url.hash === "";
  if (!isUsable)
    throw new Unusable(
      `--public-url: Expected where DIR/images will be reached, such as https://img.shop.example/2025, got "${String(given)}".`,
    );
  return url.href.replace(/\/+$/, "");
}

/** Read from a file, since every user of the machine can read another's command line. */
async function readSecrets(path: string): Promise<string> {
  return readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new Unusable(`--source-headers: Expected a file with JSON, got ${path} (${error.code ?? error.message}).`);
  });
}
