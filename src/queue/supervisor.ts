type SupervisorDeps = {
  /** Whether any job is claimed by somebody who no longer gives a sign of life, or who has had it for too long. */
  hasLapsed(): Promise<boolean>;
  /** Looks after all queues: hands out lapsed jobs again, and deletes old ones when that is due. */
  supervise(): Promise<void>;
  onError(error: Error): void;
  /** Milliseconds of a clock that only goes forward. */
  now?: () => number;
};

const LOOK_MS = 2_000;
/** How often the queues are looked after where nothing has lapsed: their counts each time, old jobs as openQueue() says. */
const MAINTAIN_MS = 60_000;

/** Without an answer for so long, heartbeats have come to nothing too: claims may have lapsed whose holders are alive. */
const SILENCE_MS = 5_000;
/** How often whoever has a claim says that it is alive. */
export const HEARTBEAT_MS = 3_000;
/** Within this everybody who is alive has told so. */
const GRACE_MS = HEARTBEAT_MS + 1_000;

/**
 * Hands out again the jobs that dead workers held. pg-boss's own supervisor takes some twenty statements to look at four queues: every
 * two seconds, that was 22 ms of PostgreSQL's CPU a second. Here a look is one statement; the twenty follow when it finds
 * something, and once a minute.
 *
 * After a time in which the database was away, or this process stood still, heartbeats come first. Else all that was made meanwhile, and
 * only waited to be recorded, would be made again: 1,500 images after half a minute.
 */
export function startSupervisor(deps: SupervisorDeps): { stop(): void } {
  const { hasLapsed, supervise, onError, now = () => performance.now() } = deps;
  let maintainedAt = now();
  let answeredAt = now();
  let heldUntil = -Infinity;
  let isLooking = false;
  const look = async () => {
    if (isLooking) return;
    isLooking = true;
    try {
      const isToRescue = await hasLapsed();
      const at = now();
      if (at - answeredAt > SILENCE_MS) heldUntil = at + GRACE_MS;
      answeredAt = at;
      if (at < heldUntil) return;
      const isDue = at - maintainedAt > MAINTAIN_MS;
      if (isDue) maintainedAt = at;
      if (!isDue && !isToRescue) return;
      await supervise();
      answeredAt = now();
    } catch (error) {
      onError(error instanceof Error ? error : new Error(String(error)));
    } finally {
      isLooking = false;
    }
  };
  const timer = setInterval(() => void look(), LOOK_MS);
  // A look that is running is left to pg-boss, which supervises nothing more once it is stopped.
  return { stop: () => clearInterval(timer) };
}
