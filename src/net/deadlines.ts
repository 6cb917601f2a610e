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
};

/** 50 MB within two minutes is 3.5 Mbit/s; a server slower than that costs a slot that others could use. */
export const DOWNLOAD_LIMITS: DownloadLimits = {
  bytesMax: 50 * 1024 * 1024,
  redirectsMax: 5,
  connectMs: 10_000,
  firstByteMs: 30_000,
  idleMs: 15_000,
  totalMs: 120_000,
};

export const IMAGE_ACCEPT = "image/*,*/*;q=0.5";

/** A shop's export can be made while it is sent, and be large: the client that named it waits meanwhile. */
export const CSV_LIMITS = { ...DOWNLOAD_LIMITS, firstByteMs: 60_000, totalMs: 600_000 } as const;

export type Deadlines = {
  /** Follows one hop: the deadline that passes, or the caller's signal, destroys it. */
  watch(request: ClientRequest): void;
  onBytes(): void;
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

  const fire = () => {
    const now = performance.now();
    // Bytes only move the deadline; the timer finds out when it rings.
    if (now < armed.at && now < totalAt) return arm(armed.at - now);
    passed = new DeadlinePassed(now >= totalAt ? `The whole download took longer than ${limits.totalMs} ms.` : armed.what);
    current?.destroy(passed);
  };
  const arm = (ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(fire, Math.max(1, Math.min(ms, totalAt - performance.now())));
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
      const awaitAnswer = () => expect(limits.firstByteMs, `No answer came within ${limits.firstByteMs} ms.`);
      expect(limits.connectMs, `No connection was made within ${limits.connectMs} ms.`);
      request.once("socket", (socket) => {
        if (!socket.connecting) awaitAnswer();
        else socket.once("encrypted" in socket ? "secureConnect" : "connect", awaitAnswer);
      });
      request.once("response", () => expect(limits.idleMs, `Nothing came for ${limits.idleMs} ms.`));
    },
    onBytes() {
      armed.at = performance.now() + limits.idleMs;
    },
    end() {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    },
  };
}
