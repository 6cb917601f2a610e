import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { EFFORTS, outputsOf, PRESETS, type Recipe } from "../src/domain/image/recipe.ts";
import { encodeImage } from "../src/image/encode/encode.ts";
import { restrictLibvips } from "../src/image/encode/libvips.ts";
import { inspectImage } from "../src/image/inspect.ts";
import { makeSamplePhoto } from "../src/image/sample-photo.ts";
import { printMachine } from "./machine.ts";

/**
 * What presets and efforts cost and save, on the photographs in the folder BENCH_PHOTOS (else on made ones): bytes of
 * all outputs against those of the inputs, and CPU of decoding and encoding on one core.
 */
const LIMITS = { pixelsMax: 1e8, allowSvg: false };
const ROUNDS = 3;
const folder = await mkdtemp(join(tmpdir(), "pressrun-recipes-"));
try {
  restrictLibvips(LIMITS);
  const photos = await loadPhotos();
  const megapixels = photos.reduce((sum, { width, height }) => sum + width * height, 0) / 1e6;
  const inputBytes = photos.reduce((sum, { bytes }) => sum + bytes, 0);
  printMachine(`sharp ${sharp.versions.sharp}`);
  console.log(`${photos.length} photographs, ${megapixels.toFixed(1)} megapixels, ${(inputBytes / 1e6).toFixed(2)} MB\n`);
  console.log(`${"recipe".padEnd(34)} ${"MB".padStart(7)} ${"of input".padStart(9)} ${"ms CPU/megapixel".padStart(17)}  kept`);
  for (const [name, recipe] of Object.entries(recipes())) await measure(name, recipe, photos, { megapixels, inputBytes });
} finally {
  await rm(folder, { recursive: true, force: true });
}

type Photo = { path: string; bytes: number; width: number; height: number; format: Parameters<typeof encodeImage>[0]["input"]["format"] };

function recipes(): Record<string, Recipe> {
  const efforts = (["jpeg", "webp", "avif"] as const).flatMap((format) =>
    EFFORTS.map((effort) => [`${format} 80, effort ${effort}`, { ...PRESETS.seed, format, quality: 80, effort }] as const),
  );
  return {
    ...PRESETS,
    "balanced and a 200 px thumb": {
      ...PRESETS.balanced,
      outputs: [{ name: "large" }, { name: "thumb", width: 200, height: 200, fit: "cover" }],
    },
    ...Object.fromEntries(efforts),
  };
}

async function measure(
  name: string,
  recipe: Recipe,
  photos: readonly Photo[],
  total: { megapixels: number; inputBytes: number },
): Promise<void> {
  let [bytes, kept, best] = [0, 0, Infinity];
  for (let round = 0; round < ROUNDS; round += 1) {
    [bytes, kept] = [0, 0];
    const before = process.cpuUsage();
    for (const photo of photos) {
      const outputs = outputsOf(recipe).map((output) => ({ ...output, path: join(folder, `out-${output.name}`) }));
      for (const output of await encodeImage({ input: photo, outputs }, LIMITS)) {
        bytes += output.bytes;
        kept += output.isKept ? 1 : 0;
      }
    }
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / 1_000);
  }
  console.log(
    `${name.padEnd(34)} ${(bytes / 1e6).toFixed(2).padStart(7)} ${`${Math.round((100 * bytes) / total.inputBytes)} %`.padStart(9)} ${(best / total.megapixels).toFixed(1).padStart(17)}  ${kept}`,
  );
}

async function loadPhotos(): Promise<Photo[]> {
  const source = process.env["BENCH_PHOTOS"];
  const files = source === undefined ? await makePhotos() : (await readdir(source)).map((file) => join(source, file));
  const photos: Photo[] = [];
  for (const path of files) {
    const head = await readFile(path);
    const bytes = (await stat(path)).size;
    const inspected = await inspectImage({ head, path, bytes }, LIMITS);
    if (inspected.ok) photos.push({ path, bytes, ...inspected.value });
    else console.log(`left out, ${inspected.failure.code}: ${path}`);
  }
  if (photos.length === 0) throw new Error(`Expected photographs, found none in ${source}.`);
  return photos;
}

async function makePhotos(): Promise<string[]> {
  return Promise.all(
    [1, 2, 3].map(async (seed) => {
      const path = join(folder, `${seed}.jpg`);
      await writeFile(path, await makeSamplePhoto({ width: 2400, height: 1600, seed, format: "jpeg" }));
      return path;
    }),
  );
}
