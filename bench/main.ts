/**
 * `npm run bench -- NAME`: each benchmark is a file of its own; without a name, images per second beside what one would
 * write by hand. Interleaved rounds in one run: on a shared machine only the ratios of one run mean something.
 */
const BENCHMARKS: Record<string, () => Promise<unknown>> = {
  images: () => import("./images.ts"),
  peers: () => import("./images.ts"),
  https: () => import("./https.ts"),
  latency: () => import("./latency.ts"),
  fairness: () => import("./fairness.ts"),
  "first-image": () => import("./first-image.ts"),
  memory: () => import("./memory.ts"),
  large: () => import("./large.ts"),
  delta: () => import("./delta.ts"),
  copy: () => import("./copy.ts"),
  upload: async () => (await import("./upload.ts")).benchUpload(process.argv.slice(3)),
  recipes: () => import("./recipes.ts"),
  reports: () => import("./reports.ts"),
};

const name = process.argv[2] ?? "images";
const load = BENCHMARKS[/^\d+$/.test(name) ? "images" : name];
if (!load) {
  console.error(`Expected one of ${Object.keys(BENCHMARKS).join(", ")}, got ${name}.`);
  process.exit(2);
}
await load();
process.exit(process.exitCode);
