import { createAddressPolicy } from "../../src/domain/url/address-policy.ts";
import { DOWNLOAD_LIMITS } from "../../src/net/download-limits.ts";
import { createDownloader, type Downloader } from "../../src/net/download.ts";
import { onCleanup } from "./cleanup.ts";

/** Deadlines that a server on loopback keeps with ease, and that a test can wait for. */
export const SHORT_LIMITS = { ...DOWNLOAD_LIMITS, connectMs: 300, firstByteMs: 300, idleMs: 300, totalMs: 900 };

/** A downloader that may reach 127.0.0.1, closed when the caller's tests are over. */
export function createTestDownloader(options: Partial<Parameters<typeof createDownloader>[0]> = {}): Downloader {
  const downloader = createDownloader({
    policy: createAddressPolicy({ allowCidrs: ["127.0.0.1/32"] }),
    limits: DOWNLOAD_LIMITS,
    userAgent: "test",
    accept: "image/*",
    max: 8,
    perHostMax: 8,
    ...options,
  });
  onCleanup(() => downloader.close());
  return downloader;
}
