import { LOOK_UP_MS } from "./look-ups.ts";

export type DownloadLimits = {
  bytesMax: number;
  redirectsMax: number;
  /** The addresses of a name, from when it is its turn to be looked up. */
  lookUpMs: number;
  /** TCP and TLS of one hop. */
  connectMs: number;
  /** From the request sent to the first byte of the answer. */
  firstByteMs: number;
  /** Between two pieces of the body. */
  idleMs: number;
  /** All of it, redirects included, without its look-ups and what it waits between them until another host has room. */
  totalMs: number;
  /**
   * A URL that a redirect has made is asked for within this, or may have expired: object stores sign some for half a minute, others are for
   * a few seconds. Only one whose host is busy, or is looked up for long, has to wait so long; four more tries are the price of a refusal then.
   */
  redirectFreshMs: number;
  /** The least bytes a second, in every stretch of `rateMs` of a body. */
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
  lookUpMs: LOOK_UP_MS,
  connectMs: 10_000,
  firstByteMs: 30_000,
  idleMs: 15_000,
  totalMs: 120_000,
  redirectFreshMs: 250,
  rateBytesMin: 1_000,
  rateMs: 30_000,
};

export const IMAGE_ACCEPT = "image/*,*/*;q=0.5";

/** A shop's export can be made while it is sent, and be large: the client that named it waits meanwhile. */
export const CSV_LIMITS = { ...DOWNLOAD_LIMITS, firstByteMs: 60_000, totalMs: 600_000, rateBytesMin: 0 } as const;
