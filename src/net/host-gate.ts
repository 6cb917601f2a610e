/** Limits how many downloads of one host run at once: halved when it asks us to slow down, regrown by successes. */
export type HostGate = {
  /** How many wait to enter. */
  readonly waiting: number;
  /** Resolves with the release when there is room. Rejects with the signal's reason. */
  enter(host: string, signal: AbortSignal): Promise<() => void>;
  onSlowDown(host: string): void;
  onSuccess(host: string): void;
};

type Waiter = { admit: () => void };
type HostState = { active: number; limit: number; waiting: Waiter[] };

export function createHostGate(options: { perHostMax: number }): HostGate {
  const hosts = new Map<string, HostState>();
  let waiting = 0;
  const stateOf = (host: string): HostState => {
    const known = hosts.get(host);
    if (known) return known;
    const state: HostState = { active: 0, limit: options.perHostMax, waiting: [] };
    hosts.set(host, state);
    return state;
  };

  const admitWaiting = (state: HostState) => {
    while (state.active < Math.floor(state.limit)) {
      const next = state.waiting.shift();
      if (!next) return;
      state.active += 1;
      next.admit();
    }
  };
  const leave = (host: string, state: HostState) => {
    state.active -= 1;
    admitWaiting(state);
    // Nothing is kept of a host at rest at its full limit, so that millions of hosts cost nothing.
    if (state.active === 0 && state.waiting.length === 0 && state.limit >= options.perHostMax) hosts.delete(host);
  };

  return {
    get waiting() {
      return waiting;
    },
    async enter(host, signal) {
      signal.throwIfAborted();
      const state = stateOf(host);
      if (state.active < Math.floor(state.limit)) state.active += 1;
      else {
        waiting += 1;
        await waitForTurn(state, signal).finally(() => (waiting -= 1));
      }
      let hasLeft = false;
      return () => {
        if (!hasLeft) leave(host, state);
        hasLeft = true;
      };
    },
    onSlowDown(host) {
      const state = stateOf(host);
      state.limit = Math.max(1, state.limit / 2);
    },
    onSuccess(host) {
      const state = hosts.get(host);
      if (state && state.limit < options.perHostMax) state.limit = Math.min(options.perHostMax, state.limit + 1 / state.limit);
    },
  };
}

function waitForTurn(state: HostState, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const waiter: Waiter = {
      admit: () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      },
    };
    const onAbort = () => {
      state.waiting = state.waiting.filter((other) => other !== waiter);
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    state.waiting.push(waiter);
  });
}
