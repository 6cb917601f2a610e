import { monitorEventLoopDelay } from "node:perf_hooks";
import { isMainThread } from "node:worker_threads";

/**
 * Given to the service by NODE_OPTIONS in benchmarks only: tells how long its event loop stood still at most since it
 * was asked last. A timer's turn is every 5 ms, so that a loop that never stands still shows 5 to 6 ms.
 */
if (isMainThread && process.send) {
  const delays = monitorEventLoopDelay({ resolution: 5 });
  delays.enable();
  process.on("message", (message) => {
    if (message !== "loop") return;
    process.send?.({ maxMs: delays.max / 1e6, p99Ms: delays.percentile(99) / 1e6 });
    delays.reset();
  });
}
