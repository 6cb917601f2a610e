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

/** A quarter of what a download may take (net/deadlines.ts): all share the line alike, and the largest come last. */
const COMES_WITHIN_MS = 30_000;
/** How many are asked for while no size is known; one more with each answer, or many dead hosts would take hours. */
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
 * within the half minute. Or one server that sends large files drop by drop would hold up all others. Its pace is known after two seconds.
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
  const sizes = createSizes();
  const bodies = createBodies(now, sizes);
  let [asked, least] = [0, LEAST];

  const onEnd = (body: Body | null, ms: number, how: "came" | "late" | "gone") => {
    asked -= 1;
    if (body !== null) bodies.end(body);
    if (how === "gone") return;
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
          body ??= bodies.begin(bytes);
        },
        onBytes: (count) => body && bodies.add(body, count),
        onEnd(how) {
          if (!isOver) onEnd(body, now() - askedAt, how);
          isOver = true;
        },
      };
    },
    get askedMax() {
      const { perMs } = bodies;
      const first = FIRST_MAX + sizes.count;
      if (perMs === null || sizes.count === 0) return first;
      const awaited = bodies.leftBytes + (asked - bodies.count) * sizes.average;
      const more = Math.floor((perMs * COMES_WITHIN_MS - awaited) / Math.max(1, sizes.average));
      return Math.max(least, bodies.areGuessed ? Math.min(first, asked + more) : asked + more);
    },
  };
}

/** `cameBytes` of `bytes`. Where the size is not known, as much again as has come is still awaited, and no less than the average. */
type Body = { beganAt: number; pace: Speed; bytes: number | null; cameBytes: number; leftBytes: number };

/** Those that are on their way. While there are none no time is counted, since nothing is learned of the line then. */
function createBodies(now: () => number, sizes: Sizes) {
  const line = createSpeed(now);
  /** `guessed`: of how many the size is not known. */
  let [count, guessed, leftBytes] = [0, 0, 0];
  const leave = (body: Body, left: number) => {
    leftBytes += left - body.leftBytes;
    body.leftBytes = left;
  };
  return {
    begin(bytes: number | null): Body {
      line.add(0, count > 0);
      const body = { beganAt: now(), pace: createSpeed(now), bytes, cameBytes: 0, leftBytes: 0 };
      count += 1;
      if (bytes === null) guessed += 1;
      leave(body, bytes ?? sizes.average);
      if (bytes !== null) sizes.add(bytes);
      return body;
    },
    add(body: Body, bytes: number): void {
      line.add(bytes, true);
      body.pace.add(bytes, true);
      body.cameBytes += bytes;
      const left = body.bytes === null ? Math.max(sizes.average, body.cameBytes) : Math.max(0, body.bytes - body.cameBytes);
      const pace = now() - body.beganAt > PACE_MS ? (body.pace.perMs ?? Infinity) : Infinity;
      const isSlow = SLOW_SHARE * pace * count < (line.perMs ?? 0);
      leave(body, isSlow ? Math.min(left, COMES_WITHIN_MS * pace) : left);
    },
    end(body: Body): void {
      line.add(0, true);
      leave(body, 0);
      count -= 1;
      if (body.bytes === null) guessed -= 1;
    },
    get count() {
      return count;
    },
    get areGuessed() {
      return guessed > 0;
    },
    get leftBytes() {
      return leftBytes;
    },
    get perMs() {
      line.add(0, count > 0);
      return line.perMs;
    },
  };
}

/** Of answers, with no bytes for those that have no body. */
type Sizes = { readonly average: number; readonly count: number; add(bytes: number): void };

function createSizes(): Sizes {
  let [average, count] = [0, 0];
  return {
    get average() {
      return average;
    },
    get count() {
      return count;
    },
    add(bytes) {
      average += (bytes - average) * (count === 0 ? 1 : NEW_WEIGHT);
      count += 1;
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
