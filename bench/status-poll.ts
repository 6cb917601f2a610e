import { Agent, get } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

export type Latencies = { p50Ms: number; p99Ms: number; maxMs: number; count: number };

const EVERY_MS = 5;

/**
 * Asks for a URL every 5 ms whether or not the answers before have come, so that a service that stands still is seen
 * by all that would have asked meanwhile; ends with `until`.
 */
export async function poll(url: string, until: Promise<unknown>): Promise<Latencies> {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const latencies: number[] = [];
  const pending = new Set<Promise<void>>();
  let isOver = false;
  const over = until.then(
    () => (isOver = true),
    () => (isOver = true),
  );
  let next = performance.now();
  while (!isOver) {
    const startedAt = performance.now();
    const asked = ask(url, agent)
      .then(() => void latencies.push(performance.now() - startedAt))
      .finally(() => pending.delete(asked));
    pending.add(asked);
    next = Math.max(next + EVERY_MS, performance.now());
    await Promise.race([over, delay(Math.max(0, next - performance.now()))]);
  }
  await Promise.all(pending);
  agent.destroy();
  return summarise(latencies);
}

function ask(url: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${url} answered ${response.statusCode}`));
      response.resume().once("end", resolve);
    }).once("error", reject);
  });
}

function summarise(latencies: number[]): Latencies {
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: sorted.at(-1) ?? 0, count: sorted.length };
}
