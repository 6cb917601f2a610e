import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { getPriority, setPriority } from "node:os";
import { setTimeout as delay } from "node:timers/promises";

const NICENESS = 10;
/**
 * Of an encoder's session. Linux gives a session its weight core by core, as much of it to each as it is busy there: an encoder's, which
 * is alone on its core, has all of it there, and the service's next to nothing. At 10 a thread that the service woke to flush a file waited
 * up to 110 ms, and a batch of ten images beside a large one took 1.7 times its idle time; at 19 up to 60 ms and 1.4 times; where there
 * are no such sessions, up to 14 ms and 1.3 times.
 */
const SESSION_NICENESS = 19;
/** Linux takes ten such changes a second from all that are not root: a hundred encoders that start together have had theirs in ten. */
const SESSION_RETRY_MS = 100;
const SESSION_TRIES = 200;
/** Counts as if it held half of the memory there is, besides what it holds: more than the service does, in whatever container that works. */
const OOM_SCORE = 500;
const OOM_FILE = "/proc/self/oom_score_adj";
/** It takes some 2 ms. */
const CHRT_MS = 5_000;

/**
 * Puts this process behind what answers, downloads and records: a status asked for while every core encodes must not wait for an
 * image. What the system does not offer, or forbids, is left as it is. Threads that are started later inherit it all.
 */
export function standBack(): void {
  // Who was started further back stays there: forward is for root alone.
  tryTo(() => setPriority(Math.max(NICENESS, getPriority())));
  void standBackAsSession();
  // Where memory is used up, Linux ends the largest process, which can be the service: an encoder costs one image (proc_pid_oom_score_adj(5)).
  tryTo(() => writeFileSync(OOM_FILE, String(Math.max(OOM_SCORE, Number(readFileSync(OOM_FILE, "utf8"))))));
  // SCHED_BATCH (sched(7)): a thread that is woken waits until the one that woke it is through. libvips wakes one for every
  // sixteen lines: 4 to 10 % of the CPU of an image went into switching between them. chrt is util-linux's.
  tryTo(() => execFileSync("chrt", ["-b", "-p", "0", String(process.pid)], { stdio: "ignore", timeout: CHRT_MS }));
}

/** Where Linux shares its cores out by session first, niceness counts within one only (sched(7), autogroup), and an encoder is alone in its own. */
async function standBackAsSession(): Promise<void> {
  for (let tries = 0; tries < SESSION_TRIES; tries += 1) {
    try {
      return writeFileSync("/proc/self/autogroup", String(SESSION_NICENESS));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
      await delay(SESSION_RETRY_MS * (0.5 + Math.random()), undefined, { ref: false });
    }
  }
}

function tryTo(act: () => void): void {
  try {
    act();
  } catch {}
}
