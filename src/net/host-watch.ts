import type { StageFailure } from "../domain/stage-result.ts";

/** What is known of hosts beyond one download; told of every host that a redirect leads to. */
export type HostWatch = {
  isPaused(host: string): boolean;
  onSuccess(host: string): void;
  onFailure(host: string, failure: StageFailure): void;
};

export const NO_WATCH: HostWatch = { isPaused: () => false, onSuccess() {}, onFailure() {} };

/** Thrown where a host is not to be asked now: that is no attempt at the image. */
export class HostPaused extends Error {
  readonly host: string;
  constructor(host: string) {
    super("the host is paused");
    this.host = host;
  }
}
