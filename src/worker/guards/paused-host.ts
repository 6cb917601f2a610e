import {
  givenUpHost,
  LAST_TRIAL_LOOK_MS,
  PAUSE_FRESH_MS,
  returnDelayMs,
  STRIKES_MAX,
  triesEachBatch,
  TRIAL_MS,
} from "../../domain/load/host-pause.ts";
import type { HostPause } from "../../db/host-pauses.ts";
import type { Outcome } from "../../domain/image/outcome.ts";
import { createTrialTurns, type TrialTurns } from "../../domain/load/trial-turns.ts";

/**
 * What a process knows of a host that is paused, or was and has not answered since.
 *
 * `earlierMs`: how long the pauses were together that are over since its last answer. `first`: the image that was told to come back before all
 * others. `turns` are what this process saw itself: where another saw more, the host gets one request more for each batch from each process, which
 * also holds its trials apart from those of others.
 */
export type PausedHost = Pick<HostPause, "reason" | "strikes" | "isAsked"> & {
  since: number;
  until: number;
  earlierMs: number;
  givenBack: number;
  first: { batchId: string; wasTried: boolean } | null;
  trialUntil: number;
  turns: TrialTurns;
};

/** A pause that grows by less is not worth telling: thirty answers in flight say the same. */
export const NEWS_MS = 250;

/** The host as it is known once this pause is known too. */
export function withPause(
  known: PausedHost | undefined,
  { remainingMs, reason, strikes, isAsked }: Omit<HostPause, "host">,
  now: number,
): PausedHost {
  const until = now + remainingMs;
  const isNew = !known || until > known.until + NEWS_MS;
  const isOver = known !== undefined && known.until <= now && until > now;
  return {
    since: known && !isOver ? known.since : Math.min(now, until),
    earlierMs: (known?.earlierMs ?? 0) + (isOver ? known.until - known.since : 0),
    until: Math.max(until, known?.until ?? 0),
    reason,
    strikes,
    // One that is not in the table yet, where the row is of an earlier pause.
    isAsked: known && until < known.until - NEWS_MS ? known.isAsked : isAsked,
    givenBack: isNew ? 0 : known.givenBack,
    first: isNew ? null : known.first,
    trialUntil: isNew ? 0 : known.trialUntil,
    turns: known?.turns ?? createTrialTurns(),
  };
}

/** `wasRefused`: its host asked for patience when it was last asked for it. `wasTried`: an attempt at it has failed. */
export type Tries = { wasRefused: boolean; wasTried: boolean };

/**
 * What happens to an image of this host without a try at it; null where it is to be tried. One that `wasRefused` does not come back as the
 * first after a pause: were it the one that its host never gives, it would pause it again and again, and none of the others would come.
 */
export function meetPaused(
  known: PausedHost,
  { host, batchId, wasRefused, wasTried }: Tries & { host: string; batchId: string },
  { now, random }: { now: number; random: () => number },
): Outcome<never> | null {
  const rank = known.turns.rank(batchId, wasTried);
  const remainingMs = timeToWait(known, { batchId, rank }, now);
  if (remainingMs <= 0) return null;
  const mayTry = mayTryInPause(known, batchId);
  if (known.strikes >= STRIKES_MAX && !mayTry) return { kind: "give_up", failure: givenUpHost(host, known.reason) };
  const isFirst = !wasRefused && rank < firstRank(known);
  const place = isFirst ? 0 : known.givenBack + 1;
  known.givenBack += 1;
  if (isFirst) known.first = { batchId, wasTried };
  return { kind: "release", delayMs: returnDelayMs({ remainingMs, place, strikes: mayTry ? 0 : known.strikes, random: random() }) };
}

/** A batch that has yet to try a host whose images are given up may try it in its pause, so that none is judged by others' images alone. */
export function mayTryInPause(known: PausedHost, batchId: string): boolean {
  return triesEachBatch(known) && !known.turns.hasFailed(batchId);
}

/**
 * How long an image of this rank waits; where that is no time, it is being tried from now on. After the pause of a host that failed, one image
 * at a time tries it: whoever came first in the pause has some seconds to come before others do. A host that had asked for its pause is asked
 * as before.
 */
export function timeToWait(known: PausedHost, { batchId, rank }: { batchId: string; rank: number }, now: number): number {
  if (known.until > now) {
    if (!mayTryInPause(known, batchId)) return known.until - now;
    return known.turns.beginsLastTrial(batchId, now) ? 0 : LAST_TRIAL_LOOK_MS;
  }
  if (known.strikes === 0 || known.until < now - PAUSE_FRESH_MS) return 0;
  if (known.trialUntil > now) return known.trialUntil - now;
  const firstUntil = known.until + TRIAL_MS;
  if (rank > firstRank(known) && firstUntil > now) return firstUntil - now;
  known.trialUntil = now + TRIAL_MS;
  return 0;
}

/** As it is by now: others of its batch that had begun before the pause may have failed since, which puts the whole batch behind. */
function firstRank({ first, turns }: PausedHost): number {
  return first ? turns.rank(first.batchId, first.wasTried) : Infinity;
}
