import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { getPriority, setPriority } from "node:os";

const NICENESS = 10;
/** It takes some 2 ms. */
const CHRT_MS = 5_000;

/**
 * Puts this process behind what answers, downloads and records: a status asked for while every core encodes must not wait for an
 * image. What the system does not offer, or forbids, is left as it is. Threads that are started later inherit it all.
 */
export function standBack(): void {
  // Who was started further back stays there: forward is for root alone.
  tryTo(() => setPriority(Math.max(NICENESS, getPriority())));
  // Where Linux shares its cores out by session first, niceness counts within one only (sched(7), autogroup), and an encoder
  // is alone in its own.
  tryTo(() => writeFileSync("/proc/self/autogroup", String(NICENESS)));
  // SCHED_BATCH (sched(7)): a thread that is woken waits until the one that woke it is through. libvips wakes one for every
  // sixteen lines: 4 to 10 % of the CPU of an image went into switching between them. chrt is util-linux's.
  tryTo(() => execFileSync("chrt", ["-b", "-p", "0", String(process.pid)], { stdio: "ignore", timeout: CHRT_MS }));
}

function tryTo(act: () => void): void {
  try {
    act();
  } catch {}
}
