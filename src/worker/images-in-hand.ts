import { setTimeout as delay } from "node:timers/promises";
import { findClaimedImages } from "../db/claimed-images.ts";
import type { Transaction } from "../db/connect.ts";
import { imageId } from "../domain/ids.ts";
import type { Claim } from "../queue/image-jobs.ts";
import { LAPSE_SECONDS, type Queue } from "../queue/queue.ts";

type InHandDeps = {
  queue: Pick<Queue, "touch">;
  /** Finds rows by their keys. */
  transaction: Transaction;
  onError(error: unknown): void;
};

export type InHand = {
  claim: Claim;
  abort: AbortController;
  /** When the last sign of life was on its way that the database took, by the process's clock. */
  aliveAt: number;
  isAsked: boolean;
  isFetched: boolean;
  isWorked: boolean;
};

/** A claim lapses without a sign of life for so long: three chances to tell. */
const LAPSE_MS = 1_000 * LAPSE_SECONDS;
const TOUCH_MS = 3_000;
/** Between two tries while the database is away. */
const RETRY_MS = 500;
/** How long an image that its origin has been asked for may still come once its batch is paused, so that it need not be asked for again. */
const PAUSE_GRACE_MS = 2_000;

export class LostClaim extends Error {}
export class Stopping extends Error {}
class Paused extends Error {}

/** The images whose claims this process holds: keeps them alive by heartbeats, and ends the work on those that it must let go. */
export class ImagesInHand {
  readonly #deps: InHandDeps;
  readonly #all = new Set<InHand>();
  readonly #heartbeat: NodeJS.Timeout;
  #touching: Promise<void> | null = null;

  constructor(deps: InHandDeps) {
    this.#deps = deps;
    this.#heartbeat = setInterval(() => void this.#touchOnce(), TOUCH_MS);
  }

  get size(): number {
    return this.#all.size;
  }

  /** `claimedAt`: before the database was asked for it. */
  add(claim: Claim, claimedAt: number): InHand {
    const entry: InHand = { claim, abort: new AbortController(), aliveAt: claimedAt, isAsked: false, isFetched: false, isWorked: false };
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
   * Resolves once the claim is surely ours; rejects where it is not, or the work was called off. A process that was frozen until its
   * claim lapsed goes on where it was: in the place of the file that it would store may lie what another's row names.
   */
  async confirm(entry: InHand): Promise<void> {
    const { signal } = entry.abort;
    for (;;) {
      signal.throwIfAborted();
      if (performance.now() - entry.aliveAt < LAPSE_MS) return;
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
   * Something was paused. An image of it that waits for its host's turn is given back at once; one that is being fetched has a grace in
   * which to come, is given back after that, and is shelved by whoever claims it next.
   *
   * A claim that read its batch just before the pause can begin after the first look: the second look finds it and gives it back, after
   * less than the whole grace. An image that was in hand at the first look and is paused only at the second belongs to another pause,
   * whose own call gives it a whole grace.
   */
  async giveBackPaused(): Promise<void> {
    const giveBack = ({ abort }: InHand) => abort.abort(new Paused("its batch is paused"));
    const before = new Set(this.#all);
    const found = new Set(await this.#findPaused());
    for (const entry of found) if (!entry.isAsked) giveBack(entry);
    await delay(PAUSE_GRACE_MS, undefined, { ref: false });
    for (const entry of await this.#findPaused()) if (found.has(entry) || !before.has(entry)) giveBack(entry);
  }

  stop(): void {
    clearInterval(this.#heartbeat);
  }

  /** One at a time: while the server hangs, twenty of them would leave the settles no connection. */
  #touchOnce(): Promise<void> {
    this.#touching ??= this.#touch().finally(() => (this.#touching = null));
    return this.#touching;
  }

  async #touch(): Promise<void> {
    const touched = [...this.#all].filter(({ abort }) => !abort.signal.aborted);
    if (touched.length === 0) return;
    const { queue, transaction, onError } = this.#deps;
    const touchedAt = performance.now();
    try {
      const claims = touched.map(({ claim }) => claim);
      const alive = await transaction((tx) => queue.touch(tx, claims));
      for (const entry of touched) {
        if (alive.has(entry.claim.id)) entry.aliveAt = touchedAt;
        else if (this.#all.has(entry)) lose(entry);
      }
    } catch (error) {
      onError(error);
    }
  }

  /** Of the images that are being fetched. */
  async #findPaused(): Promise<InHand[]> {
    const fetching = [...this.#all].filter(({ isFetched }) => !isFetched);
    if (fetching.length === 0) return [];
    const keys = fetching.map(({ claim }) => claim.data);
    const images = await this.#deps.transaction((tx) => findClaimedImages(tx, keys));
    const paused = new Set(images.filter(({ isPaused }) => isPaused).map(imageId));
    return fetching.filter(({ isFetched, claim }) => !isFetched && paused.has(imageId(claim.data)));
  }
}

function lose({ abort }: InHand): void {
  abort.abort(new LostClaim("the claim is lost"));
}
