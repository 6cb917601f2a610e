import type { DownloadLimits } from "./download-limits.ts";
import type { Watch } from "./http1/client.ts";
import { DeadlinePassed } from "./net-failure.ts";

/**
 * A timer that rings so much later than it should shows that the process stood still, as it does on a laptop that sleeps or a machine
 * that is paused. What came meanwhile has not been read yet, so that nothing is known of the server: it gets its time anew. Once, or a
 * process that is too busy would wait for a silent server for ever.
 */
const STANDSTILL_MS = 1_000;

export type Deadlines = Watch & {
  readonly passed: DeadlinePassed | null;
  /** All deadlines rest until it begins again. */
  rest(): void;
  end(): void;
};

/**
 * The deadlines of a download, hop after hop: the one that passes, or the caller's signal, ends the request. One timer
 * serves them all. It rings for whichever deadline came first and then looks which one holds now, since most are over
 * before they pass.
 */
export function startDeadlines(limits: DownloadLimits, signal: AbortSignal, onBytes: (count: number) => void = () => {}): Deadlines {
  const total = createTotal(limits.totalMs);
  let endRequest: (reason: Error) => void = () => {};
  let passed: DeadlinePassed | null = null;
  const expected = createExpectation(() => arm());
  const rate = createRate(limits);

  let isAnew = false;
  const ring = (now: number, lateMs: number) => {
    if (lateMs > STANDSTILL_MS && !isAnew) return beginAnew(now, lateMs);
    const isSlow = rate.isTooLow(now);
    if (now < expected.by && now < total.endsAt && !isSlow) return arm();
    passed = new DeadlinePassed(now >= total.endsAt ? tooLong(limits) : isSlow ? tooSlow(limits) : expected.what);
    endRequest(passed);
  };
  const bell = createBell(ring);
  const arm = () => bell.ringBy(Math.min(expected.by, total.endsAt, rate.endsAt));
  const rest = () => {
    expected.clear();
    total.rest();
  };
  const beginAnew = (now: number, lateMs: number) => {
    isAnew = true;
    total.extend(lateMs + expected.ms);
    rate.beginAnew(now);
    expected.set(expected.ms, expected.what);
  };
  const onAbort = () => endRequest(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
  signal.addEventListener("abort", onAbort, { once: true });

  return {
    get passed() {
      return passed;
    },
    begin(end) {
      endRequest = end;
      total.run();
      expected.set(limits.connectMs, `No connection was made within ${limits.connectMs} ms.`);
      if (signal.aborted) onAbort();
    },
    onConnected: () => expected.set(limits.firstByteMs, `No answer came within ${limits.firstByteMs} ms.`),
    onHead() {
      rate.begin(performance.now());
      expected.set(limits.idleMs, `Nothing came for ${limits.idleMs} ms.`);
    },
    onBytes(count) {
      rate.add(count);
      onBytes(count);
      expected.by = performance.now() + limits.idleMs;
    },
    onWhole() {
      endRequest = () => {};
      rate.end();
      rest();
    },
    rest,
    end() {
      bell.end();
      signal.removeEventListener("abort", onAbort);
    },
  };
}

/** What is to happen next and by when, and what is said where it does not. */
function createExpectation(onSet: () => void) {
  const set = (ms: number, what: string) => {
    Object.assign(expected, { by: performance.now() + ms, ms, what });
    onSet();
  };
  const clear = () => void Object.assign(expected, { by: Infinity, ms: Infinity, what: "" });
  const expected = { by: Infinity, ms: Infinity, what: "", set, clear };
  return expected;
}

/** One timer, for whichever time comes first. */
function createBell(ring: (now: number, lateMs: number) => void) {
  let timer: NodeJS.Timeout | undefined;
  let ringsAt = Infinity;
  const onTime = () => {
    const now = performance.now();
    const lateMs = now - ringsAt;
    ringsAt = Infinity;
    ring(now, lateMs);
  };
  return {
    ringBy(at: number) {
      if (at >= ringsAt) return;
      clearTimeout(timer);
      ringsAt = at;
      timer = setTimeout(onTime, Math.max(1, Math.ceil(at - performance.now())));
    },
    /** For good: a name may be found when nobody waits for it any more. */
    end() {
      clearTimeout(timer);
      ringsAt = -Infinity;
    },
  };
}

/** The time of all requests together. It rests between two of them, where a download may wait for another host's room. */
function createTotal(ms: number): { readonly endsAt: number; run(): void; extend(moreMs: number): void; rest(): void } {
  let leftMs = ms;
  let endsAt = Infinity;
  return {
    get endsAt() {
      return endsAt;
    },
    /** Of a request that is sent again it runs already. */
    run() {
      if (endsAt === Infinity) endsAt = performance.now() + leftMs;
    },
    extend: (moreMs: number) => void (endsAt += moreMs),
    rest() {
      leftMs = endsAt - performance.now();
      endsAt = Infinity;
    },
  };
}

/** Measures a body in stretches of `rateMs`; there is none before it comes. */
function createRate({ rateBytesMin, rateMs }: DownloadLimits) {
  const bytesMin = (rateBytesMin * rateMs) / 1_000;
  let stretch = { endsAt: Infinity, bytes: 0 };
  const begin = (now: number) => void (stretch = { endsAt: now + rateMs, bytes: 0 });
  return {
    get endsAt() {
      return stretch.endsAt;
    },
    begin,
    beginAnew(now: number) {
      if (stretch.endsAt < Infinity) begin(now);
    },
    add: (count: number) => void (stretch.bytes += count),
    /** Asked at the end of a stretch, after which the next begins. */
    isTooLow(now: number): boolean {
      const { endsAt, bytes } = stretch;
      if (now >= endsAt) begin(now);
      return now >= endsAt && bytes < bytesMin;
    },
    end: () => begin(Infinity),
  };
}

function tooLong({ totalMs }: DownloadLimits): string {
  return `The whole download took longer than ${totalMs} ms.`;
}

function tooSlow({ rateBytesMin, rateMs }: DownloadLimits): string {
  return `The file came at less than ${rateBytesMin} bytes a second for ${rateMs} ms.`;
}
