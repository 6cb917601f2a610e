import type { OutputFormat, OutputSettings } from "../../domain/image/recipe.ts";
import type { Sharp } from "sharp";
import type { InputFormat } from "../../domain/image/input-format.ts";
import type { HeaderFacts } from "../headers/sizes.ts";

/** What an encoder is asked for, and what it answers; both are sent between processes. */
export type EncodeTask = {
  input: HeaderFacts & { path: string; format: InputFormat; bytes: number };
  outputs: ({ name: string; path: string } & OutputSettings)[];
};
export type EncodedOutput = {
  name: string;
  path: string;
  format: OutputFormat;
  width: number;
  height: number;
  bytes: number;
  quality: number;
  encodeMs: number;
  /** The input itself, without its metadata: it is smaller than what was made of it. */
  isKept: boolean;
};

/** How a task's pixels are opened, again and again: from the file, or from what was decoded once. */
export type OpenImage = () => Sharp;
