type SupervisorDeps = {
  /** Whether any job is claimed by somebody who has given no sign of life, or has had it for too long. */
  hasLapsed(): Promise<boolean>;
  /** Looks after all queues: what has lapsed goes back, what is old goes. */
  supervise(): Promise<void>;
  onError(error: Error): void;
};

const LOOK_MS = 2_000;
/** What is old need not go at once. */
const MAINTAIN_MS = 60_000;

/**
 * Has what dead workers held handed out again. pg-boss's own supervisor takes some twenty statements for a look at four
 * queues, 35 ms of PostgreSQL's time in each second that looks are 2 s apart; here a look is one, and the twenty come when
 * it found something, and once a minute.
 */
export function startSupervisor({ hasLapsed, supervise, onError }: SupervisorDeps): { stop(): Promise<void> } {
  let maintainedAt = performance.now();
  let looking: Promise<void> = Promise.resolve();
  let isLooking = false;
  const look = async () => {
    try {
      const isDue = performance.now() - maintainedAt > MAINTAIN_MS;
      if (!isDue && !(await hasLapsed())) return;
      if (isDue) maintainedAt = performance.now();
      await supervise();
    } catch (error) {
      onError(error instanceof Error ? error : new Error(String(error)));
    } finally {
      isLooking = false;
    }
  };
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    looking = look();
  }, LOOK_MS);
  return {
    async stop() {
      clearInterval(timer);
      await looking;
    },
  };
}
