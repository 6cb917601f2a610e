import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "../../config.ts";
import type { Preflight } from "../../contract/preflight.ts";
import { readPreflightOptions } from "../../intake/options/read-options.ts";
import { surveyCatalogue } from "../../intake/survey-catalogue.ts";
import { wirePreflight } from "../../wire/preflight.ts";
import { writePreflight } from "./describe-preflight.ts";
import { watchForInterruption } from "../interruption.ts";
import { openFile, type OpenedFile } from "../open-file.ts";
import { readFlags } from "../read-flags.ts";
import { Unusable } from "../unusable.ts";

const HAS_PROBLEMS = 1;

/** Prints a preflight of a file. `flags` are the command's, by the names of the API's options. */
export async function check(file: string, { json: isJson = false, ...flags }: Readonly<Record<string, unknown>>): Promise<void> {
  const options = readFlags((fields) => readPreflightOptions({ fields, layout: null }), flags);
  const folder = await mkdtemp(join(tmpdir(), "pressrun-check-"));
  const stopped = watchForInterruption(() => {});
  try {
    const report = await lookAt(await openFile(file, folder, stopped.signal), options, folder, stopped.signal);
    process.stdout.write(isJson ? `${JSON.stringify(report, null, 2)}\n` : writePreflight(report));
    process.exitCode = report.ok ? 0 : HAS_PROBLEMS;
  } catch (error) {
    if (!stopped.signal.aborted) throw error;
    process.exitCode = stopped.exitCode;
  } finally {
    await rm(folder, { recursive: true, force: true });
    stopped.end();
  }
}

type Options = ReturnType<typeof readPreflightOptions>;

async function lookAt(csv: OpenedFile, options: Options, folder: string, signal: AbortSignal): Promise<Preflight> {
  let probed = 0;
  const { preflight, close } = await wirePreflight({
    // Settings that a check does not need are not read, so that one without a probe works beside any configuration.
    config: configFor(options.probe),
    survey: (order) => surveyCatalogue({ random: Math.random, signal }, order),
    tempPath: (extension) => join(folder, `${(probed += 1)}.${extension}`),
    discard: (path) => rm(path, { force: true }),
  });
  try {
    const report = await preflight({ csv, ...options }, signal);
    const [first] = report.problems;
    if (first?.code === "wrong_file_type") throw new Unusable(first.message);
    return report;
  } finally {
    close();
  }
}

function configFor(probe: number): ReturnType<typeof readConfig> {
  try {
    return readConfig(probe === 0 ? {} : process.env, { isServed: false });
  } catch (error) {
    throw new Unusable(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
