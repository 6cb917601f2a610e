import { setTimeout as delay } from "node:timers/promises";
import { findClaimedImages } from "../db/claimed-images.ts";
import type { Transaction } from "../db/connect.ts";
import { imageId } from "../domain/ids.ts";
import type { Claim } from "../queue/image-jobs.ts";
import type { Queue } from "../queue/queue.ts";

type InHandDeps = {
  queue: Pick<Queue, "touch">;
  /** Finds rows by their keys. */
  transaction: Transaction;
  onError(error: unknown): void;
};

export type InHand = { claim: Claim; abort: AbortController; isAsked: boolean; isFetched: boolean; isWorked: boolean };

/** pg-boss gives a claim 10 s without a sign of life (its shortest heartbeat): three chances to tell. */
const TOUCH_MS = 3_000;
/** How long what an origin has been asked for may still come once its batch is paused: nobody is asked twice for nothing. */
const PAUSE_GRACE_MS = 2_000;

export class LostClaim extends Error {}
export class Stopping extends Error {}
class Paused extends Error {}

/** The images whose claims this process holds: gives signs of life for them, and ends the work at those that it must let go. */
export class ImagesInHand {
  readonly #deps: InHandDeps;
  readonly #all = new Set<InHand>();
  readonly #heartbeat: NodeJS.Timeout;
  #isTouching = false;

  constructor(deps: InHandDeps) {
    this.#deps = deps;
    this.#heartbeat = setInterval(() => void this.#touch(), TOUCH_MS);
  }

  get size(): number {
    return this.#all.size;
  }

  add(claim: Claim): InHand {
    const entry: InHand = { claim, abort: new AbortController(), isAsked: false, isFetched: false, isWorked: false };
    this.#all.add(entry);
    return entry;
  }

  remove(entry: InHand): void {
    this.#all.delete(entry);
  }

  /** What is claimed once more lapsed before: the work in hand for it is worth nothing any more. */
  loseTo(claims: readonly Claim[]): void {
    const claimed = new Set(claims.map(({ id }) => id));
    for (const entry of this.#all) if (claimed.has(entry.claim.id)) lose(entry);
  }

  /** This process is stopping. */
  giveBack(which: (entry: InHand) => boolean): void {
    for (const entry of this.#all) if (which(entry)) entry.abort.abort(new Stopping("the process is stopping"));
  }

  /**
   * Something was paused: what is being fetched of it may come within its grace, then it is given back, and shelved by whoever
   * claims it next; what waits for its host's turn is given back at once. A claim that read its batch just before the pause can
   * begin after the first look: the second finds it, and what it has asked for by then has less than the grace. What was in hand and
   * is paused only by then is left to the call for that pause, with a grace of its own.
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
  async #touch(): Promise<void> {
    const touched = [...this.#all].filter(({ abort }) => !abort.signal.aborted);
    if (this.#isTouching || touched.length === 0) return;
    this.#isTouching = true;
    const { queue, transaction, onError } = this.#deps;
    try {
      const claims = touched.map(({ claim }) => claim);
      const alive = await transaction((tx) => queue.touch(tx, claims));
      for (const entry of touched) if (!alive.has(entry.claim.id) && this.#all.has(entry)) lose(entry);
    } catch (error) {
      onError(error);
    } finally {
      this.#isTouching = false;
    }
  }

  /** Of what is being fetched. */
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
