import { createAverage, type Average } from "./average.ts";

/** What is on its way over the line that all downloads share. */
export type LineLoad = {
  /** Called when an origin is asked. */
  onAsked(): Asked;
  /** How many may be on their way at once, so that all of it comes within half a minute, as fast as it comes now. */
  readonly askedMax: number;
};

export type Asked = {
  /** A body begins, of so many bytes where that is known. */
  onBody(bytes: number | null): void;
  /** So much of it has come. */
  onBytes(count: number): void;
  /** Nothing more is awaited: it has come or failed, or took too long. `gone`: we did not wait for it. */
  onEnd(how: "came" | "late" | "gone"): void;
};

/** A quarter of what a download may take (net/download-limits.ts): all share the line alike, and the largest come last. */
const COMES_WITHIN_MS = 30_000;
/**
 * How many are asked for while no size is known; one more with each answer, or many dead hosts would take hours. And so many bodies of
 * unknown sizes are begun with, whatever has come before: what they follow says nothing of them.
 */
const FIRST_MAX = 32;
/**
 * So many are asked for in any case: where each server is slow by itself, fewer of them would not come faster. After one that came too
 * late it is half of that, until one comes in good time: four of 5 MB come within their deadline over 170 kB/s.
 */
const LEAST = 8;
const LEAST_LATE = 4;
const GOOD_TIME_MS = 60_000;
/**
 * A body that comes at less than an eighth of its share of the line is slow by itself and leaves the line to others: of it counts what comes
 * within the half minute, and it is none of the least. Or one server that sends large files drop by drop, or stops, would hold up all
 * others. Its pace is known after two seconds.
 */
const SLOW_SHARE = 8;
const PACE_MS = 2_000;
/** For how long it is remembered how fast the line is. */
const MEMORY_MS = 10_000;
/** Weight of a new size in the average. */
const NEW_WEIGHT = 1 / 32;

/**
 * Bytes are counted and not answers: a 404 says nothing of how long a photo takes, nor do ten thumbnails, and a server that sends drop by
 * drop takes little of the line.
 */
export function createLineLoad(now: () => number): LineLoad {
  /** Of answers, with no bytes for those that have no body. */
  const sizes = createAverage(NEW_WEIGHT);
  const bodies = createBodies(now, sizes);
  let [asked, least] = [0, LEAST];
  /** How many answers without a body have come since a byte came. */
  let [empty, cameAt] = [0, -Infinity];

  const onEnd = (body: Body | null, ms: number, how: "came" | "late" | "gone") => {
    asked -= 1;
    if (body !== null) bodies.end(body);
    if (how === "gone") return;
    if (body === null) empty += 1;
    if (body === null || body.bytes === null) sizes.add(body?.cameBytes ?? 0);
    if (body !== null && how === "late") least = LEAST_LATE;
    else if (body !== null && ms < GOOD_TIME_MS) least = LEAST;
  };

  return {
    onAsked() {
      const askedAt = now();
      let body: Body | null = null;
      let isOver = false;
      asked += 1;
      return {
        onBody(bytes) {
          // What is no number would stay in the averages for ever.
          body ??= bodies.begin(Number.isFinite(bytes) ? bytes : null);
        },
        onBytes(count) {
          if (body === null) return;
          bodies.add(body, count);
          empty = 0;
          cameAt = now();
        },
        onEnd(how) {
          if (!isOver) onEnd(body, now() - askedAt, how);
          isOver = true;
        },
      };
    },
    get askedMax() {
      const { perMs } = bodies;
      if (perMs === null || sizes.value === 0) return FIRST_MAX + empty;
      const { leftBytes, slow, guessedShare } = bodies.sum();
      const awaited = leftBytes + (asked - bodies.count) * sizes.value;
      const more = Math.floor((perMs * COMES_WITHIN_MS - awaited) / Math.max(1, sizes.value));
      // Of what has no head yet, as large a share will be of unknown size.
      const guessedMax = guessedShare === 0 ? Infinity : Math.floor((FIRST_MAX + bodies.guessedEnded) / guessedShare);
      // Where answers come, and no bytes for two seconds, it is not the line that is slow.
      const besides = slow + (now() - cameAt > PACE_MS ? empty : 0);
      return Math.max(least + besides, Math.min(guessedMax, asked + more));
    },
  };
}

/** `cameBytes` of `bytes`. Where the size is not known, as much again as has come is still awaited, and no less than the average. */
type Body = { beganAt: number; bytes: number | null; cameBytes: number };

/** Those that are on their way. While there are none no time is counted, since nothing is learned of the line then. */
function createBodies(now: () => number, sizes: Average) {
  const line = createSpeed(now);
  const bodies = new Set<Body>();
  /** Of how many the size is not known, and how many of those have ended since there was none. */
  let [guessed, guessedEnded] = [0, 0];
  return {
    begin(bytes: number | null): Body {
      line.add(0, bodies.size > 0);
      const body = { beganAt: now(), bytes, cameBytes: 0 };
      bodies.add(body);
      if (bytes !== null) sizes.add(bytes);
      else if (guessed++ === 0) guessedEnded = 0;
      return body;
    },
    add(body: Body, bytes: number): void {
      line.add(bytes, true);
      body.cameBytes += bytes;
    },
    end(body: Body): void {
      line.add(0, true);
      bodies.delete(body);
      if (body.bytes !== null) return;
      guessed -= 1;
      guessedEnded += 1;
    },
    /** Found when asked for and not as bytes come, since of some none come. */
    sum() {
      const at = now();
      const perMs = line.perMs ?? 0;
      let [leftBytes, slow] = [0, 0];
      for (const { bytes, cameBytes, beganAt } of bodies) {
        const left = bytes === null ? Math.max(sizes.value, cameBytes) : Math.max(0, bytes - cameBytes);
        const ms = at - beganAt;
        const pace = cameBytes / ms;
        const isSlow = ms > PACE_MS && SLOW_SHARE * pace * bodies.size <= perMs;
        leftBytes += isSlow ? Math.min(left, COMES_WITHIN_MS * pace) : left;
        if (isSlow) slow += 1;
      }
      return { leftBytes, slow, guessedShare: guessed / Math.max(1, bodies.size) };
    },
    get count() {
      return bodies.size;
    },
    get guessedEnded() {
      return guessedEnded;
    },
    get perMs() {
      line.add(0, bodies.size > 0);
      return line.perMs;
    },
  };
}

/** Bytes a millisecond of late; null before the first time that counts. */
type Speed = { readonly perMs: number | null; add(bytes: number, isTimeCounted: boolean): void };

function createSpeed(now: () => number): Speed {
  let [bytes, ms, countedUntil] = [0, 0, now()];
  return {
    get perMs() {
      return ms === 0 ? null : bytes / ms;
    },
    add(count, isTimeCounted) {
      const passedMs = isTimeCounted ? now() - countedUntil : 0;
      const kept = Math.exp(-passedMs / MEMORY_MS);
      bytes = bytes * kept + count;
      ms = ms * kept + passedMs;
      countedUntil = now();
    },
  };
}
