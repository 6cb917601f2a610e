import { readFileSync, writeFileSync } from "node:fs";
import type { EncodedOutput, EncodeTask } from "../src/image/encode/encode-task.ts";

/** In the place of the one that encodes: each output is the input, byte for byte. */
export async function encodeImage({ input, outputs }: EncodeTask): Promise<EncodedOutput[]> {
  const { width, height, bytes } = input;
  return outputs.map(({ name, path, quality }) => {
    // As an encoder does it with small images; copyFileSync() takes 0.14 to 0.4 ms for 16 kB, this 0.07.
    writeFileSync(path, readFileSync(input.path));
    return { name, path, format: "jpeg", width, height, bytes, quality, isKept: false, encodeMs: 0 };
  });
}
