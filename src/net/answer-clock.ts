import type { Watch } from "./http1/client.ts";

/** Follows a request as `watch` does, and tells how long ago it went out over a connection that stood. */
export function createAnswerClock(watch: Watch): Watch & { readonly ms: number } {
  let askedAt = 0;
  return {
    ...watch,
    onConnected() {
      askedAt = performance.now();
      watch.onConnected();
    },
    get ms() {
      return performance.now() - askedAt;
    },
  };
}
