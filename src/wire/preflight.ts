import type { Config } from "../config.ts";
import type { Preflight } from "../contract/preflight.ts";
import { limitAtFirst } from "../domain/load/host-limit.ts";
import { PIXELS_MAX } from "../image/inspect.ts";
import { preflight, type PreflightDeps, type PreflightOrder } from "../intake/preflight.ts";
import { DOWNLOAD_LIMITS, IMAGE_ACCEPT } from "../net/download-limits.ts";
import { createDownloader } from "../net/download.ts";
import { outgoing } from "./parts.ts";
import { createImageProbe } from "./probe-image.ts";

type Given = {
  config: Config;
  survey: PreflightDeps["survey"];
  tempPath(extension: string): string;
  discard(tempPath: string): Promise<void>;
};

/** Wires preflights for the API and the command line; they need neither a database nor encoders. */
export async function wirePreflight({
  config,
  survey,
  tempPath,
  discard,
}: Given): Promise<{ preflight(order: PreflightOrder, signal: AbortSignal): Promise<Preflight>; close(): void }> {
  // As the workers' downloader, since the forecast is about them.
  const downloader = createDownloader({
    ...(await outgoing(config)),
    limits: DOWNLOAD_LIMITS,
    max: config.downloads,
    perHostMax: config.downloadsPerHost,
    accept: IMAGE_ACCEPT,
  });
  const { encoders, downloads } = config;
  // Whether a host bears more is not known beforehand.
  const downloadsPerHost = limitAtFirst(config.downloadsPerHost);
  const deps: PreflightDeps = {
    survey,
    plant: { encoders, downloads, downloadsPerHost },
    now: Date.now,
    probeImage: createImageProbe({ download: downloader.download, tempPath, discard, pixelsMax: PIXELS_MAX, allowSvg: config.allowSvg }),
  };
  return { preflight: (order, signal) => preflight(deps, order, signal), close: downloader.close };
}
