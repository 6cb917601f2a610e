import type { ClientRequest } from "node:http";
import { DeadlinePassed } from "./net-failure.ts";

export type DownloadLimits = {
  bytesMax: number;
  redirectsMax: number;
  /** Name, TCP and TLS of one hop. */
  connectMs: number;
  /** From the request sent to the first byte of the answer. */
  firstByteMs: number;
  /** Between two pieces of the body. */
  idleMs: number;
  /** All of it, redirects included. */
  totalMs: number;
  /** So many bytes a second at least, in every stretch of `rateMs` of a body. */
  rateBytesMin: number;
  rateMs: number;
};

/**
 * 50 MB within two minutes is 3.5 Mbit/s; a server slower than that costs a slot that others could use. A body that
 * comes drop by drop would hold its slot for all of that: one of 1 kB/s, 120 kB by the end, is given up after 30 s.
 */
export const DOWNLOAD_LIMITS: DownloadLimits = {
  bytesMax: 50 * 1024 * 1024,
  redirectsMax: 5,
  connectMs: 10_000,
  firstByteMs: 30_000,
  idleMs: 15_000,
  totalMs: 120_000,
  rateBytesMin: 1_000,
  rateMs: 30_000,
};

export const IMAGE_ACCEPT = "image/*,*/*;q=0.5";

/** A shop's export can be made while it is sent, and be large: the client that named it waits meanwhile. */
export const CSV_LIMITS = { ...DOWNLOAD_LIMITS, firstByteMs: 60_000, totalMs: 600_000, rateBytesMin: 0 } as const;

export type Deadlines = {
  /** Follows one hop: the deadline that passes, or the caller's signal, destroys it. */
  watch(request: ClientRequest): void;
  onBytes(count: number): void;
  readonly passed: DeadlinePassed | null;
  end(): void;
};

/** One timer for all deadlines of a download: it is armed for whichever comes next. */
export function startDeadlines(limits: DownloadLimits, signal: AbortSignal): Deadlines {
  const totalAt = performance.now() + limits.totalMs;
  let current: ClientRequest | undefined;
  let passed: DeadlinePassed | null = null;
  let timer: NodeJS.Timeout | undefined;
  let armed = { at: totalAt, what: "" };
  /** The stretch whose rate is measured; there is none before a body comes. */
  let stretch = { endsAt: Number.POSITIVE_INFINITY, bytes: 0 };

  const fire = () => {
    const now = performance.now();
    const isSlow = now >= stretch.endsAt && stretch.bytes < (limits.rateBytesMin * limits.rateMs) / 1_000;
    if (now >= stretch.endsAt) stretch = { endsAt: now + limits.rateMs, bytes: 0 };
    // Bytes only move the deadline; the timer finds out when it rings.
    if (now < armed.at && now < totalAt && !isSlow) return arm(armed.at - now);
    const slow = `The file came at less than ${limits.rateBytesMin} bytes a second for ${limits.rateMs} ms.`;
    passed = new DeadlinePassed(now >= totalAt ? `The whole download took longer than ${limits.totalMs} ms.` : isSlow ? slow : armed.what);
    current?.destroy(passed);
  };
  const arm = (ms: number) => {
    clearTimeout(timer);
    const now = performance.now();
    timer = setTimeout(fire, Math.max(1, Math.min(ms, totalAt - now, stretch.endsAt - now)));
  };
  const expect = (ms: number, what: string) => {
    armed = { at: performance.now() + ms, what };
    arm(ms);
  };
  const onAbort = () => current?.destroy(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
  signal.addEventListener("abort", onAbort, { once: true });

  return {
    get passed() {
      return passed;
    },
    watch(request) {
      current = request;
      stretch = { endsAt: Number.POSITIVE_INFINITY, bytes: 0 };
      const awaitAnswer = () => expect(limits.firstByteMs, `No answer came within ${limits.firstByteMs} ms.`);
      expect(limits.connectMs, `No connection was made within ${limits.connectMs} ms.`);
      request.once("socket", (socket) => {
        if (!socket.connecting) awaitAnswer();
        else socket.once("encrypted" in socket ? "secureConnect" : "connect", awaitAnswer);
      });
      request.once("response", () => {
        stretch.endsAt = performance.now() + limits.rateMs;
        expect(limits.idleMs, `Nothing came for ${limits.idleMs} ms.`);
      });
    },
    onBytes(count) {
      stretch.bytes += count;
      armed.at = performance.now() + limits.idleMs;
    },
    end() {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    },
  };
}
