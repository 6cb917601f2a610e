import { outageDelayMs } from "../../domain/load/backoff.ts";
import { forgetOldest } from "../../domain/forget-oldest.ts";
import { whatHostDid } from "../../domain/load/host-pause.ts";
import type { ImageCode } from "../../domain/image/image-code.ts";
import type { StageFailure } from "../../domain/image/stage-result.ts";
import type { HostWatch } from "../../net/host-watch.ts";
import type { Log } from "../../observe/log.ts";

export type NetworkGuard = {
  /** How many images may be claimed now: one, for a trial, brings its whole job of up to ten. Asked only where they are claimed then. */
  claimMax(): number;
  /** Whether this failure is the network's, and no fault of the image. */
  isToBlame(failure: StageFailure): boolean;
  /** After how long an image that such a failure met is tried again, by whoever has one. */
  retryMs(): number;
  /** Called as bytes of any body come, after which no host that is slow to answer counts as silent for a while. */
  onBytes(): void;
  /** Learns from what hosts do. Those that only the network keeps from us are not blamed. */
  watch(hosts: HostWatch): HostWatch;
};

/** So many hosts that had answered before fail in a row, and no host answers between: it is rather what they have in common, our network. */
const HOSTS_MIN = 5;
/**
 * While bytes come the network is there, and what does not come in time waits in its line behind them: over 1 Mbit/s, with 40 hosts, it was
 * taken for away 25 times in four minutes. A line that loses much is quiet for some seconds; after ten, the least that a host is waited for,
 * an outage is known as soon as without this. An end that did not wait, such as no route, needs no line that is quiet.
 */
const QUIET_MS = 10_000;
const AWAITED: ReadonlySet<ImageCode> = new Set(["timed_out", "dns_failed"]);
/** While the network is away one job after the other, of up to ten images, tries whether it is back. */
const TRIAL_MS = 2_000;
/** As long as a host is waited for (domain/load/host-pause.ts). Then failures count again, so that a batch of nothing but dead hosts ends. */
const AWAY_MS_MAX = 15 * 60_000;
/** An image waits for as long as the network has been away, and no longer than this. */
const RETRY_MS_MAX = 60_000;
/** Hosts that are known to have answered; beyond, the one that answered longest ago is forgotten. */
const ANSWERED_MAX = 10_000;

/** What is seen of a host that cannot be reached. A portal that stands in for all hosts has no certificate of theirs. */
const UNREACHED: ReadonlySet<ImageCode> = new Set(["connect_failed", "timed_out", "dns_failed", "tls_failed"]);

/**
 * Tells a network that is away from hosts that fail. Without it, an image of each of a thousand hosts uses up its attempts within three
 * minutes, as no host fails often enough to be paused. Hosts that have never answered say nothing, or the dead hosts at the end of a
 * batch, of which nothing else is left, would be taken for a network that is away. What fails before the outage is known counts: up to
 * some dozens of images lose one attempt each, and those with tls_failed, which is not tried again, fail. From then on none does.
 */
export function createNetworkGuard({ now, log }: { now: () => number; log: Log }): NetworkGuard {
  const answered = new Set<string>();
  /** Those that had answered and have failed since any host answered. */
  const silent = new Set<string>();
  let awaySince: number | null = null;
  let [triedAt, bytesAt] = [0, -Infinity];
  const isAway = () => awaySince !== null && now() - awaySince < AWAY_MS_MAX;
  const onAnswer = (host: string) => {
    silent.clear();
    answered.delete(host);
    answered.add(host);
    forgetOldest(answered, ANSWERED_MAX);
    if (awaySince === null) return;
    log.info({ awayMs: Math.round(now() - awaySince) }, "the network is back, work goes on");
    awaySince = null;
  };
  const onUnreached = (host: string, code: ImageCode) => {
    if (awaySince !== null || !answered.has(host)) return;
    if (AWAITED.has(code) && now() - bytesAt < QUIET_MS) return;
    silent.add(host);
    if (silent.size < HOSTS_MIN) return;
    log.error(
      { hosts: [...silent] },
      "hosts that had answered cannot be reached, and no other: the network seems to be away, little is tried until one answers",
    );
    awaySince = triedAt = now();
  };
  // Were the host to blame for an answer that broke off, its head would have ended the outage.
  const isToBlame = ({ code }: StageFailure) => isAway() && (UNREACHED.has(code) || code === "truncated");
  return {
    isToBlame,
    retryMs: () => outageDelayMs(awaySince === null ? 0 : now() - awaySince, RETRY_MS_MAX),
    onBytes: () => void (bytesAt = now()),
    claimMax() {
      if (!isAway()) return Infinity;
      if (now() - triedAt < TRIAL_MS) return 0;
      triedAt = now();
      return 1;
    },
    watch: (hosts) => watchFor({ onAnswer, onUnreached, isToBlame }, hosts),
  };
}

type Learning = {
  onAnswer(host: string): void;
  onUnreached(host: string, code: ImageCode): void;
  isToBlame(failure: StageFailure): boolean;
};

/** Tells the guard what hosts do, and them nothing for which the network is to blame. */
function watchFor(guard: Learning, hosts: HostWatch): HostWatch {
  const { onAnswer, onUnreached, isToBlame } = guard;
  return {
    ...hosts,
    // A slow line brings heads, though many bodies come too slowly.
    onHead(host, head) {
      onAnswer(host);
      hosts.onHead(host, head);
    },
    onSuccess(host) {
      onAnswer(host);
      hosts.onSuccess(host);
    },
    onFailure(host, failure) {
      if (UNREACHED.has(failure.code)) onUnreached(host, failure.code);
      else if (whatHostDid(failure).kind !== "unknown") onAnswer(host);
      if (!isToBlame(failure)) hosts.onFailure(host, failure);
    },
    isExcused: isToBlame,
    of: (asker) => watchFor(guard, hosts.of(asker)),
  };
}
