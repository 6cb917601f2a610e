import { setTimeout as delay } from "node:timers/promises";
import { findClaimedImages } from "../../db/claimed-images.ts";
import type { Transaction } from "../../db/connection/connect.ts";
import { imageId } from "../../domain/ids.ts";
import type { Claim } from "../../queue/image-jobs.ts";
import { LAPSE_SECONDS, type Queue } from "../../queue/queue.ts";
import { HEARTBEAT_MS } from "../../queue/supervisor.ts";

type InHandDeps = {
  queue: Pick<Queue, "touch">;
  /** Finds rows by their keys. */
  transaction: Transaction;
  onError(error: unknown): void;
};

/**
 * By two clocks: performance.now() stands still while the machine is suspended, and the machine's time, which goes on then, can be set.
 */
type Moment = { steadyMs: number; wallMs: number };

export type InHand = {
  claim: Claim;
  abort: AbortController;
  /** Claimed at the end of all there was to do, or beside others that waited for their host. */
  isAhead: boolean;
  isOfSmallBatch: boolean;
  /** Just before the database was asked for the claim. By performance.now(). */
  readonly claimedAt: number;
  /** When we sent the last heartbeat that the database accepted; at first the claim itself. */
  aliveAt: Moment;
  /** Its origin is being asked, or has been. */
  isAsked: boolean;
  /** Nothing more of it is fetched. */
  isFetched: boolean;
  /** It only waits to be recorded. */
  isWorked: boolean;
};

/** A claim lapses after so long without a heartbeat. There are three in that time, so that two may be lost. */
const LAPSE_MS = 1_000 * LAPSE_SECONDS;
/** Between two tries while the database is away. */
const RETRY_MS = 500;
/** An image that is being fetched when its batch is paused may still come within this. It need not be asked for again then. */
const PAUSE_GRACE_MS = 2_000;
/** One that has come may be worked within so much more: as much as is fetched ahead, where it takes no longer than what was before it. */
const PAUSE_WORK_MS = 10_000;

export function momentNow(): Moment {
  return { steadyMs: performance.now(), wallMs: Date.now() };
}

/** By the clock that says more. Where the time was set, that costs a heartbeat which need not have been. */
function isWithin(ms: number, { steadyMs, wallMs }: Moment): boolean {
  return performance.now() - steadyMs < ms && Math.abs(Date.now() - wallMs) < ms;
}

export class LostClaim extends Error {}
export class Stopping extends Error {}
export class NoRoom extends Error {}
class Paused extends Error {}

/** The images whose claims this process holds: keeps them alive by heartbeats, and ends the work on those that it must let go. */
export class ImagesInHand {
  readonly #deps: InHandDeps;
  readonly #all = new Set<InHand>();
  readonly #heartbeat: NodeJS.Timeout;
  #touching: Promise<void> | null = null;

  constructor(deps: InHandDeps) {
    this.#deps = deps;
    this.#heartbeat = setInterval(() => void this.#touchOnce(), HEARTBEAT_MS);
  }

  get size(): number {
    return this.#all.size;
  }

  /** `claimedAt` is the time just before the database was asked for the claim. */
  add(claim: Claim, claimedAt: Moment, what: Pick<InHand, "isAhead" | "isOfSmallBatch">): InHand {
    const abort = new AbortController();
    const times = { claimedAt: claimedAt.steadyMs, aliveAt: claimedAt };
    const entry: InHand = { claim, abort, ...what, ...times, isAsked: false, isFetched: false, isWorked: false };
    this.#all.add(entry);
    return entry;
  }

  remove(entry: InHand): void {
    this.#all.delete(entry);
  }

  /** A job that is claimed anew had lapsed: the work in hand for its earlier claim is worth nothing any more. */
  loseTo(claims: readonly Claim[]): void {
    const claimed = new Set(claims.map(({ id }) => id));
    for (const entry of this.#all) if (claimed.has(entry.claim.id)) lose(entry);
  }

  /**
   * Resolves once the claim is surely ours. Rejects where it is not, or where the work was called off.
   *
   * Asked before each file that is stored. A process that was frozen until its claim lapsed, or whose machine was suspended so long, goes
   * on where it was. By then another may have settled the image, and its row may name the very file that this process is about to replace.
   */
  async confirm(entry: InHand): Promise<void> {
    const { signal } = entry.abort;
    for (;;) {
      signal.throwIfAborted();
      if (isWithin(LAPSE_MS, entry.aliveAt)) return;
      const { aliveAt } = entry;
      await this.#touchOnce();
      if (entry.aliveAt === aliveAt) await delay(RETRY_MS, undefined, { signal });
    }
  }

  /** This process is stopping. */
  giveBack(which: (entry: InHand) => boolean): void {
    for (const entry of this.#all) if (which(entry)) entry.abort.abort(new Stopping("the process is stopping"));
  }

  /**
   * Something was paused. We look three times: now (what is not asked for yet goes back), after the grace (what has not come), and much
   * later (what is not worked, were it in an encoder). Whoever claims one next shelves it.
   *
   * What was just being claimed at the first look had read the batch before the pause, and is found at the second. What was paused later
   * has a call and a grace of its own.
   */
  async giveBackPaused(): Promise<void> {
    const giveBack = ({ abort }: InHand) => abort.abort(new Paused("its batch or share is paused"));
    const lookedAt = performance.now();
    const before = new Set(this.#all);
    const found = new Set(await this.#findPaused());
    for (const entry of found) if (!entry.isAsked) giveBack(entry);
    await delay(PAUSE_GRACE_MS, undefined, { ref: false });
    for (const entry of await this.#findPaused()) {
      if (!before.has(entry) && entry.claimedAt < lookedAt) found.add(entry);
      if (found.has(entry) && !entry.isFetched) giveBack(entry);
    }
    await delay(PAUSE_WORK_MS, undefined, { ref: false });
    for (const entry of await this.#findPaused()) if (found.has(entry)) giveBack(entry);
  }

  stop(): void {
    clearInterval(this.#heartbeat);
  }

  /** One heartbeat at a time. While the server hangs they would pile up, and take every connection away from the settles. */
  #touchOnce(): Promise<void> {
    this.#touching ??= this.#touch().finally(() => (this.#touching = null));
    return this.#touching;
  }

  async #touch(): Promise<void> {
    const touched = [...this.#all].filter(({ abort }) => !abort.signal.aborted);
    if (touched.length === 0) return;
    const { queue, transaction, onError } = this.#deps;
    const touchedAt = momentNow();
    try {
      const claims = touched.map(({ claim }) => claim);
      const { alive, locked } = await transaction((tx) => queue.touch(tx, claims));
      for (const entry of touched) {
        if (alive.has(entry.claim.id)) entry.aliveAt = touchedAt;
        else if (!locked.has(entry.claim.id) && this.#all.has(entry)) lose(entry);
      }
    } catch (error) {
      onError(error);
    }
  }

  /** Those of the images being worked whose batch or host is paused now. */
  async #findPaused(): Promise<InHand[]> {
    const working = [...this.#all].filter(({ isWorked }) => !isWorked);
    if (working.length === 0) return [];
    const keys = working.map(({ claim }) => claim.data);
    const images = await this.#deps.transaction((tx) => findClaimedImages(tx, keys));
    const paused = new Set(images.filter(({ isPaused }) => isPaused).map(imageId));
    return working.filter(({ isWorked, claim }) => !isWorked && paused.has(imageId(claim.data)));
  }
}

function lose({ abort }: InHand): void {
  abort.abort(new LostClaim("the claim is lost"));
}
