import type { Watch } from "./http1/client.ts";

/** Follows a request as `watch` does, and tells how long ago it went out over a connection that stood, and whether its answer is awaited. */
export function createAnswerClock(watch: Watch): Watch & { readonly ms: number; readonly isAwaited: boolean } {
  let askedAt = 0;
  let isAwaited = false;
  return {
    ...watch,
    begin(end) {
      isAwaited = false;
      watch.begin(end);
    },
    onConnected() {
      askedAt = performance.now();
      isAwaited = true;
      watch.onConnected();
    },
    onHead() {
      isAwaited = false;
      watch.onHead();
    },
    /** Not where no connection came about, so that nobody has seen the request, nor once a head has come. */
    get isAwaited() {
      return isAwaited;
    },
    get ms() {
      return performance.now() - askedAt;
    },
  };
}
