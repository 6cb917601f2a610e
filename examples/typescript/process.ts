// Uploads a CSV of image URLs, waits until its images are processed, and downloads the result CSV.
//
//   node process.ts products.csv results.csv        (Node 24 runs it as it is; no package is needed)
//
// BASE_URL         where Pressrun is (http://127.0.0.1:3000)
// API_KEY          one of its API_KEYS, if it has any
// OPTIONS          how images are processed, as a query: OPTIONS='format=webp&quality=80'
// TIMEOUT_SECONDS  how long to wait at most (3600)
//
// Ends with 0: every image has an output. 1: some have none. 2: refused. 3: paused, or not ended in time.
import { openAsBlob } from "node:fs";
import { stat, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** The fields that are used here; openapi.json has all of them, for a generator of your choice. */
type Batch = {
  batchId: string;
  status: "pending" | "processing" | "completed" | "failed" | "cancelled";
  products: number;
  progress: { total: number; completed: number; failed: number; percent: number };
  pausedAt: string | null;
  pauseReason: string | null;
  finishedAt: string | null;
  links: { self: string; resultsCsv: string };
};
/** Every error of the API (RFC 9457). `code` is for programs, `detail` for people. */
type Problem = { code: string; detail: string; errors?: { line?: number; column?: string | null; field?: string; message: string }[] };

export class Refused extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(
      [
        `refused (${problem.code}): ${problem.detail}`,
        ...(problem.errors ?? []).map(({ line, field, message }) => `  ${line === undefined ? field : `line ${line}`}: ${message}`),
      ].join("\n"),
    );
    this.problem = problem;
  }
}
/** The batch has not ended, and people have to decide whether to wait longer. */
export class NotEnded extends Error {}

const BASE_URL = process.env["BASE_URL"] ?? "http://127.0.0.1:3000";
const HEADERS: Record<string, string> = process.env["API_KEY"] ? { authorization: `Bearer ${process.env["API_KEY"]}` } : {};
const REQUEST_MS = 300_000;

async function call(url: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(url, { ...init, headers: HEADERS, signal: AbortSignal.timeout(REQUEST_MS) });
  if (!response.ok) throw new Refused((await response.json()) as Problem);
  return response;
}

export async function upload(csvPath: string, options = ""): Promise<Batch> {
  if (!(await stat(csvPath)).isFile()) throw new Error(`${csvPath} is not a file`);
  const form = new FormData();
  // Read while it is sent.
  form.set("file", await openAsBlob(csvPath), basename(csvPath));
  return (await (await call(`${BASE_URL}/v1/batches?${options}`, { method: "POST", body: form })).json()) as Batch;
}

/**
 * Looks, as often as the service asks for, until the batch has ended. Throws where the batch is paused, since it then waits for
 * somebody to resume it, and where time is up; both leave the batch as it is.
 */
export async function waitForCompletion(
  batch: Batch,
  { deadlineMs, onProgress = () => {} }: { deadlineMs: number; onProgress?: (now: Batch) => void },
): Promise<Batch> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const response = await call(batch.links.self);
    const now = (await response.json()) as Batch;
    onProgress(now);
    if (now.finishedAt !== null) return now;
    if (now.pausedAt !== null) throw new NotEnded(`paused: ${now.pauseReason} Resume it with POST ${now.links.self}/resume`);
    if (Date.now() >= deadline) throw new NotEnded(`not ended in time; it goes on, look at ${now.links.self}`);
    await delay(1_000 * Number(response.headers.get("retry-after") ?? 1));
  }
}

async function main([csvPath, resultsPath = "results.csv"]: string[]): Promise<number> {
  if (csvPath === undefined) throw new Error("usage: node process.ts products.csv [results.csv]");
  const accepted = await upload(csvPath, process.env["OPTIONS"]);
  console.error(`accepted: ${accepted.products} products with ${accepted.progress.total} images, ${accepted.links.self}`);
  const deadlineMs = 1_000 * Number(process.env["TIMEOUT_SECONDS"] ?? 3_600);
  const { status, progress, links } = await waitForCompletion(accepted, {
    deadlineMs,
    onProgress: (now) => console.error(`${now.progress.percent} %`),
  });
  await writeFile(resultsPath, Buffer.from(await (await call(links.resultsCsv)).arrayBuffer()));
  console.log(`${status}: ${progress.completed} images completed, ${progress.failed} failed; see ${resultsPath}`);
  return progress.completed === progress.total ? 0 : 1;
}

if (import.meta.main) {
  process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
    // fetch says only that it failed; the cause says why.
    console.error(
      error instanceof Error ? [error.message, error.cause instanceof Error ? error.cause.message : ""].join(" ").trim() : error,
    );
    return error instanceof NotEnded ? 3 : 2;
  });
}
