import { setTimeout as delay } from "node:timers/promises";
import { forgetOldest, putLast } from "../domain/forget-oldest.ts";
import { createGate, type Gate } from "../domain/load/gate.ts";
import { createHostLimit, type HostLimit } from "../domain/load/host-limit.ts";
import { createHostCrowd, type HostCrowd } from "../domain/load/host-crowd.ts";
import { createHostPace, type HostPace } from "../domain/load/host-pace.ts";
import type { StageFailure } from "../domain/image/stage-result.ts";
import { HostCrowded, type HostWatch } from "./host-watch.ts";

/** Limits how many downloads run at once: of all hosts, and of one host, by what it bears (domain/load/host-limit.ts, host-pace.ts). */
type HostGate = {
  /** How many wait for their host, or its name; who waits only because of all others is not among them. */
  readonly waiting: number;
  /**
   * Resolves when there is room, with what is to be called once, at the end. Rejects with the signal's reason. With room at its host, what
   * `prepare` gives is waited for, and rejects it too. Batches that wait take turns. Where so many wait that hosts which are slow keep back
   * others, it rejects with HostCrowded, if the gate turns away and who waits is not patient: at such a host, and at one that leads to it.
   */
  enter(host: string, signal: AbortSignal, options?: EnterOptions): Promise<() => void>;
  /** An answer began to come `ms` after it was asked for. */
  onAnswer(host: string, ms: number): void;
  onSlowDown(host: string): void;
  /** Whether the one that was asked for last came sooner than the host bears. */
  cameTooSoon(host: string): boolean;
  /** Whether a host that asks for patience need only be asked for less at once, or less soon, which it is from now on: it gives others. */
  onRefused(host: string): boolean;
  onLate(host: string): void;
  onSuccess(host: string): void;
};

/** `isPatient`: it waits for however long that takes. `ledBy`: the host that has led here. */
type EnterOptions = {
  prepare?: () => Promise<unknown> | null;
  batchId?: string | undefined;
  isPatient?: boolean;
  ledBy?: string | undefined;
};

/** `now`: milliseconds of a clock that only goes forward. */
type GateOptions = { max: number; perHostMax: number; turnsAway?: boolean; now?: () => number };

type Host = { gate: Gate; limit: HostLimit; pace: HostPace; crowd: HostCrowd };

/** So many may wait in all before any is turned away: half of those that a process claims beside others for them (worker/claim/claim-room.ts). */
const WAITING_MAX = 500;
/** Whoever waits is looked at so often: hosts turn slow while images wait for them. */
const LOOK_MS = 1_000;

/** The names below one domain have no end. */
const REMEMBERED_MAX = 10_000;

export function createHostGate({ max, perHostMax, turnsAway = false, now = () => performance.now() }: GateOptions): HostGate {
  const all = createGate(() => max);
  const hosts = new Map<string, Host>();
  /** Hosts at rest that did not bear what they were asked for; the one that has been so for longest first. */
  const remembered = new Set<string>();
  const findHost = (host: string): Host => {
    remembered.delete(host);
    const known = hosts.get(host);
    if (known) return known;
    const [limit, pace] = [createHostLimit(perHostMax), createHostPace()];
    const made = { gate: createGate(() => (pace.gapMs > 0 ? 1 : limit.value)), limit, pace, crowd: createHostCrowd(limit, pace) };
    hosts.set(host, made);
    return made;
  };
  const leave = (host: string, gate: Gate) => {
    gate.leave();
    if (gate.inside > 0 || gate.waiting > 0) return;
    // Nothing is kept of a host at rest that bore all that it was asked for, so that millions of hosts cost nothing.
    const known = hosts.get(host);
    if (known?.limit.isAsNew && known.pace.gapMs === 0) return void hosts.delete(host);
    remembered.add(host);
    const forgotten = forgetOldest(remembered, REMEMBERED_MAX);
    if (forgotten !== undefined) hosts.delete(forgotten);
  };

  const line = watchWaiting(hosts, turnsAway, now);
  return {
    get waiting() {
      return line.count;
    },
    async enter(host, signal, { prepare = () => null, batchId, isPatient = false, ledBy } = {}) {
      signal.throwIfAborted();
      if (!isPatient) line.demandWayOn(host);
      const { gate: own, limit, pace, crowd } = findHost(host);
      if (own.inside === 0) crowd.onBegin(now());
      const turn = own.enter(signal, batchId, isPatient);
      line.onCome(host, ledBy);
      await line.wait(turn);
      try {
        const turnMs = pace.takeTurn(now(), limit.value < 2);
        if (turnMs > 0) await line.wait(delay(Math.ceil(turnMs), undefined, { signal }).catch(() => signal.throwIfAborted()));
        await line.wait(prepare());
        // Only now, with room at its host and its name known: nobody holds a place among all downloads that cannot be used yet.
        await all.enter(signal, batchId);
      } catch (error) {
        leave(host, own);
        throw error;
      }
      const askedAt = now();
      return () => {
        const endedAt = now();
        crowd.onEnd(endedAt - askedAt, endedAt);
        all.leave();
        leave(host, own);
      };
    },
    ...tellersOf(hosts, now),
  };
}

/** Who waits for a host, or its name; where these are many, those who wait for slow hosts are turned away (domain/load/host-crowd.ts). */
function watchWaiting(hosts: ReadonlyMap<string, Host>, turnsAway: boolean, now: () => number) {
  let count = 0;
  let timer: NodeJS.Timeout | null = null;
  const isLong = () => turnsAway && count > WAITING_MAX;
  /** The hosts whose images were led to one that is crowded, and which that is. */
  const leads = new Map<string, string>();
  const tooMany = ({ gate, crowd }: Host) => gate.waiting - crowd.mayWait(now());
  const crowdedError = ({ crowd }: Host) => new HostCrowded(crowd.returnMs(now()));
  const look = () => {
    timer = count > 0 ? setTimeout(look, LOOK_MS).unref() : null;
    if (!isLong()) return;
    for (const host of hosts.values()) host.gate.turnAway(tooMany(host), () => crowdedError(host));
  };
  return {
    get count() {
      return count;
    },
    /** Where a host leads to one that is crowded, its images would only wait there. */
    demandWayOn(name: string) {
      if (leads.size === 0) return;
      const next = hosts.get(leads.get(name) ?? "");
      if (next !== undefined && isLong() && tooMany(next) > 0) throw crowdedError(next);
      leads.delete(name);
    },
    /** One has come to a host: to wait there, if need be. */
    onCome(name: string, ledBy: string | undefined) {
      const host = isLong() ? hosts.get(name) : undefined;
      if (host === undefined || tooMany(host) <= 0) return;
      if (ledBy !== undefined && ledBy !== name) putLast(leads, ledBy, name, REMEMBERED_MAX);
      host.gate.turnAway(1, () => crowdedError(host));
    },
    async wait(turn: Promise<unknown> | null): Promise<void> {
      if (turn === null) return;
      count += 1;
      if (turnsAway) timer ??= setTimeout(look, LOOK_MS).unref();
      await turn.finally(() => (count -= 1));
    },
  };
}

/** Takes what a host did into account. */
function tellersOf(
  hosts: ReadonlyMap<string, Host>,
  now: () => number,
): Pick<HostGate, "onAnswer" | "onSlowDown" | "cameTooSoon" | "onRefused" | "onLate" | "onSuccess"> {
  return {
    onAnswer(host, ms) {
      const known = hosts.get(host);
      known?.limit.onAnswer({ ms, at: now(), isWanted: known.gate.waiting > 0 });
      known?.pace.onAnswer(ms);
    },
    onSlowDown: (host) => hosts.get(host)?.limit.onSlowDown(),
    cameTooSoon: (host) => hosts.get(host)?.pace.isTooSoon === true,
    onRefused: (host) => hosts.get(host)?.pace.onRefused(now()) === true,
    onLate: (host) => hosts.get(host)?.limit.onLate(now()),
    onSuccess(host) {
      const known = hosts.get(host);
      known?.pace.onSuccess(now());
      if (known?.pace.gapMs === 0) known.limit.onSuccess();
    },
  };
}

/** Tells the gate as well what each host of a download did, those that a redirect leads to among them. */
export function watchForGate(gate: HostGate, hosts: HostWatch): HostWatch {
  return {
    ...hosts,
    onHead(host, head) {
      // What it refuses it may refuse in no time.
      if (head.status < 400) gate.onAnswer(host, head.ms);
      hosts.onHead(host, head);
    },
    onSuccess(host) {
      gate.onSuccess(host);
      hosts.onSuccess(host);
    },
    onFailure(host, failure) {
      if (isRefusal(failure) && gate.cameTooSoon(host)) failure.isTooSoon = true;
      const isOfOneImage = hosts.isOfOneImage(host, failure);
      if (!isOfOneImage && isRefusal(failure) && gate.onRefused(host)) failure.isPaced = true;
      // It will be asked at once without the condition, and how that ends says how the host is. One connection too many it may be all the same.
      if (failure.isOfCondition !== true) hosts.onFailure(host, failure);
      if (isOfOneImage || hosts.isExcused(failure)) return;
      if (mayBeTooMany(failure)) gate.onSlowDown(host);
      // Some firewalls drop the connections that are one too many. Many a host answers some images never, and would be halved for ever.
      else if (failure.code === "timed_out") gate.onLate(host);
    },
    of: (asker) => watchForGate(gate, hosts.of(asker)),
  };
}

function isRefusal({ code, isBusy, retryAfterMs }: StageFailure): boolean {
  return code === "rate_limited" || isBusy === true || retryAfterMs !== undefined;
}

/** Many servers that serve only so many at once do not say so: they answer 503 (nginx's limit_conn), or end what is one too many. */
function mayBeTooMany(failure: StageFailure): boolean {
  return isRefusal(failure) || failure.code === "connect_failed";
}
