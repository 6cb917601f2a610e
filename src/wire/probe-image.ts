import { orTruncated } from "../domain/or-truncated.ts";
import { succeeded } from "../domain/image/stage-result.ts";
import { inspectImage } from "../image/inspect.ts";
import type { PreflightDeps } from "../intake/preflight.ts";
import type { Downloader } from "../net/download.ts";

type ProbeDeps = {
  download: Downloader["download"];
  tempPath(extension: string): string;
  discard(tempPath: string): Promise<void>;
  pixelsMax: number;
  allowSvg: boolean;
};

/** Fetches an image as a batch would, looks at it, and throws it away. Rejects only with the signal's reason. */
export function createImageProbe({ download, tempPath, discard, ...limits }: ProbeDeps): PreflightDeps["probeImage"] {
  return (sourceHeaders) => async (url, signal) => {
    const path = tempPath("probe");
    try {
      const downloaded = await download({ url, path, signal, sourceHeaders });
      if (!downloaded.ok) return downloaded;
      const inspected = orTruncated(await inspectImage(downloaded.value, limits), downloaded.value);
      return inspected.ok
        ? succeeded({ bytes: downloaded.value.bytes, megapixels: (inspected.value.width * inspected.value.height) / 1_000_000 })
        : inspected;
    } finally {
      await discard(path);
    }
  };
}
