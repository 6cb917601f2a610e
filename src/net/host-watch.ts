import type { Asker } from "../domain/load/asker.ts";
import type { StageFailure } from "../domain/image/stage-result.ts";

/** What is known of hosts beyond one download; told of every host that a redirect leads to. */
export type HostWatch = {
  isPaused(host: string): boolean;
  /** Whether who comes by a redirect may ask this host. As with images of its own, after a pause because it failed only one at a time may. */
  admits(host: string): boolean;
  /** The head of an answer has come, `ms` after it was asked for, whatever becomes of the body. */
  onHead(host: string, head: { status: number; ms: number }): void;
  onSuccess(host: string): void;
  onFailure(host: string, failure: StageFailure): void;
  /** Whether a failure of which it was told is no fault of its host. */
  isExcused(failure: StageFailure): boolean;
  /** Whether a failure of which it has yet to be told is the image's alone: the host gives others, and need not be spared for it. */
  isOfOneImage(host: string, failure: StageFailure): boolean;
  /** The same, as it is for one who asks. */
  of(asker: Asker): HostWatch;
};

/** Knows nothing, and is the same for all who ask, as is what is made of it by a spread. */
export const NO_WATCH: HostWatch = {
  isPaused: () => false,
  admits: () => true,
  onHead() {},
  onSuccess() {},
  onFailure() {},
  isExcused: () => false,
  isOfOneImage: () => false,
  of() {
    return this;
  },
};

/** Thrown where a host is not to be asked now: that is no attempt at the image. */
export class HostPaused extends Error {
  readonly host: string;
  constructor(host: string) {
    super("the host is paused");
    this.host = host;
  }
}

/** Thrown where too many wait for a host, which would keep others back: that is no attempt either. `delayMs`: it is to come back then. */
export class HostCrowded extends Error {
  readonly delayMs: number;
  constructor(delayMs: number) {
    super("too many wait for the host");
    this.delayMs = delayMs;
  }
}
