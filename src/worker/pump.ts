import { setTimeout as delay } from "node:timers/promises";
import { findClaimedImages } from "../db/claimed-images.ts";
import { findKnownSources, type HeldImage } from "../db/known-sources.ts";
import type { Transaction, Tx } from "../db/connect.ts";
import type { DownloadWindow } from "../domain/download-window.ts";
import type { Claim, Queue } from "../queue/queue.ts";
import { createAlarm } from "./alarm.ts";

type PumpDeps = {
  queue: Pick<Queue, "claimImages" | "touch">;
  /** Finds rows by their keys. */
  transaction: Transaction;
  window: DownloadWindow;
  startBatches(tx: Tx, batchIds: string[]): Promise<void>;
  /** Works one image to its settled outcome. Never rejects. `signal` aborts when the claim is lost or time is up. */
  work(claim: Claim, image: HeldImage, hold: Hold): Promise<void>;
  /** Ends a claim whose image is settled already, or whose batch is paused. */
  drop(claim: Claim, kind: "drop" | "shelve"): Promise<void>;
  /** Nothing more comes to be recorded before something is claimed again. */
  onAllWorked(): void;
  /** How many of those in hand wait until their host has room for another download. */
  waitingForHost(): number;
  /** While false nothing new is claimed (the disk is full). */
  mayClaim(): boolean;
  onError(error: unknown): void;
};

/** What a piece of work shares with the pump that holds its claim. */
export type Hold = {
  signal: AbortSignal;
  /** From here on its origin is being asked. */
  onAsked(): void;
  /** From here on the work is worth finishing when the process stops. */
  onFetched(): void;
  /** From here on it only waits to be recorded, and another image can take its place. */
  onWorked(): void;
};

/** pg-boss gives a claim 10 s without a sign of life (its shortest heartbeat): three chances to tell. */
const TOUCH_MS = 3_000;
/** The floor under LISTEN: how long a job can go unnoticed when a notification is lost. */
const POLL_MS = 1_000;
/** How many claims may wait for slow hosts beside the window. */
const HOST_WAIT_MAX = 1_000;
/**
 * How many outcomes may wait to be recorded beside the window. Images of a paused host are worked in no time, and without
 * a limit thousands would be claimed faster than the settler can give them back.
 */
const RECORDING_MAX = 500;
/** How long what an origin has been asked for may still come once its batch is paused: nobody is asked twice for nothing. */
const PAUSE_GRACE_MS = 2_000;
/** What was aborted at the deadline is recorded within this. */
const SETTLE_MS = 4_000;
/** A claim is a transaction, whether of one image or of many: it waits until a quarter of the window is free, or this long. */
const CLAIM_SHARE = 1 / 4;
const GATHER_MS = 200;
/** How many are claimed beside a full window when a batch has begun (half of them are its first), and how many in all. */
const NEW_BATCH_IMAGES = 20;
const BESIDE_WINDOW_MAX = 60;

export class LostClaim extends Error {}
export class Stopping extends Error {}
class Paused extends Error {}

type InHand = { claim: Claim; abort: AbortController; isAsked: boolean; isFetched: boolean; isWorked: boolean };

/** Keeps as many images in hand as the window says, from the queue and across loss of the database. */
export class Pump {
  readonly #deps: PumpDeps;
  readonly #inHand = new Set<InHand>();
  readonly #alarm = createAlarm();
  readonly #running: Promise<void>;
  readonly #heartbeat: NodeJS.Timeout;
  /** How many of those in hand are being recorded. */
  #worked = 0;
  #isStopping = false;
  #isQueueEmpty = false;
  #isTouching = false;
  #hasNewBatch = false;

  constructor(deps: PumpDeps) {
    this.#deps = deps;
    this.#running = this.#run();
    this.#heartbeat = setInterval(() => void this.#touch(), TOUCH_MS);
  }

  wake(): void {
    this.#alarm.ring();
  }

  /** A batch has begun. */
  wakeForNewBatch(): void {
    this.#hasNewBatch = true;
    this.wake();
  }

  /**
   * Something was paused: what is being fetched of it may come within its grace, then it is given back, and shelved by whoever
   * claims it next; what waits for its host's turn is given back at once.
   */
  giveBackPaused(): void {
    void this.#giveBackPaused().catch(this.#deps.onError);
  }

  /** Claims nothing more and gives back what is still being fetched; the rest may end until the deadline. */
  async drain(deadlineMs: number): Promise<void> {
    this.#isStopping = true;
    this.wake();
    await this.#running;
    this.#giveBack(({ isFetched }) => !isFetched);
    const deadline = setTimeout(() => this.#giveBack(() => true), deadlineMs);
    // Where the database is away nothing can be recorded: claims without a sign of life go to others.
    const giveUpAt = performance.now() + deadlineMs + SETTLE_MS;
    while (this.#inHand.size > 0 && performance.now() < giveUpAt) await this.#alarm.sleep(POLL_MS);
    clearTimeout(deadline);
    clearInterval(this.#heartbeat);
  }

  /** No more can be claimed before something ends. */
  get isFull(): boolean {
    return this.#free() <= 0;
  }

  /** What waits for one slow host takes no place away from the others, within a limit. */
  #free(): number {
    const waiting = Math.min(this.#deps.waitingForHost(), HOST_WAIT_MAX);
    return this.#deps.window.size - (this.#inHand.size - Math.min(this.#worked, RECORDING_MAX) - waiting);
  }

  async #run(): Promise<void> {
    const { mayClaim, onError } = this.#deps;
    while (!this.#isStopping) {
      const free = this.#free();
      const room = this.#hasNewBatch ? Math.max(free, Math.min(NEW_BATCH_IMAGES, free + BESIDE_WINDOW_MAX)) : free;
      this.#hasNewBatch = false;
      try {
        if (room > 0 && mayClaim()) await this.#claim(room);
        else this.#isQueueEmpty = false;
      } catch (error) {
        // What was claimed and not started has no sign of life any more and is handed out again.
        onError(error);
        this.#isQueueEmpty = true;
      }
      if (this.#isStopping) break;
      await this.#alarm.sleep(this.#isQueueEmpty ? POLL_MS : GATHER_MS);
    }
  }

  async #claim(limit: number): Promise<void> {
    const { queue, transaction, startBatches } = this.#deps;
    const { claims, images } = await transaction(async (tx) => {
      const claims = await queue.claimImages(tx, limit);
      if (claims.length === 0) return { claims, images: [] };
      const images = await findKnownSources(
        tx,
        await findClaimedImages(
          tx,
          claims.map(({ data }) => data),
        ),
      );
      const pending = [...new Set(images.filter((image) => image.isPending).map((image) => image.batchId))];
      if (pending.length > 0) await startBatches(tx, pending);
      return { claims, images };
    });
    this.#isQueueEmpty = claims.length < limit;
    // What is fetched once more lapsed before: the work in hand for it is worth nothing any more.
    const fetched = new Set(claims.map(({ id }) => id));
    for (const { claim, abort } of this.#inHand) if (fetched.has(claim.id)) abort.abort(new LostClaim("the claim is lost"));
    const byKey = new Map(images.map((image) => [keyOf(image), image]));
    for (const claim of claims) this.#start(claim, byKey.get(keyOf(claim.data)));
  }

  #start(claim: Claim, image: HeldImage | undefined): void {
    const entry: InHand = { claim, abort: new AbortController(), isAsked: false, isFetched: false, isWorked: false };
    this.#inHand.add(entry);
    const hold: Hold = {
      signal: entry.abort.signal,
      onAsked: () => (entry.isAsked = true),
      onFetched: () => (entry.isFetched = true),
      onWorked: () => this.#onWorked(entry),
    };
    const done = image && !image.isPaused ? this.#deps.work(claim, image, hold) : this.#deps.drop(claim, image ? "shelve" : "drop");
    void done.catch(this.#deps.onError).finally(() => {
      this.#onWorked(entry);
      this.#inHand.delete(entry);
      this.#worked -= 1;
      if (this.#isStopping) this.wake();
    });
  }

  #onWorked(entry: InHand): void {
    if (entry.isWorked) return;
    entry.isWorked = true;
    this.#worked += 1;
    if (this.#worked === this.#inHand.size) this.#deps.onAllWorked();
    if (!this.#isQueueEmpty && this.#free() >= CLAIM_SHARE * this.#deps.window.size) this.wake();
  }

  /** One at a time: while the server hangs, twenty of them would leave the settles no connection. */
  async #touch(): Promise<void> {
    const touched = [...this.#inHand].filter(({ abort }) => !abort.signal.aborted);
    if (this.#isTouching || touched.length === 0) return;
    this.#isTouching = true;
    try {
      const alive = await this.#deps.transaction((tx) =>
        this.#deps.queue.touch(
          tx,
          touched.map(({ claim }) => claim),
        ),
      );
      const lost = touched.filter((entry) => !alive.has(entry.claim.id) && this.#inHand.has(entry));
      for (const { abort } of lost) abort.abort(new LostClaim("the claim is lost"));
    } catch (error) {
      this.#deps.onError(error);
    } finally {
      this.#isTouching = false;
    }
  }

  async #giveBackPaused(): Promise<void> {
    const found = await this.#findPaused();
    if (found.size === 0) return;
    const giveBack = ({ abort }: InHand) => abort.abort(new Paused("its batch is paused"));
    for (const entry of found) if (!entry.isAsked) giveBack(entry);
    await delay(PAUSE_GRACE_MS, undefined, { ref: false });
    const still = await this.#findPaused();
    for (const entry of found) if (still.has(entry)) giveBack(entry);
  }

  /** Of what is being fetched. */
  async #findPaused(): Promise<Set<InHand>> {
    const fetching = [...this.#inHand].filter(({ isFetched }) => !isFetched);
    if (fetching.length === 0) return new Set();
    const images = await this.#deps.transaction((tx) =>
      findClaimedImages(
        tx,
        fetching.map(({ claim }) => claim.data),
      ),
    );
    const paused = new Set(images.filter(({ isPaused }) => isPaused).map(keyOf));
    return new Set(fetching.filter(({ isFetched, claim }) => !isFetched && paused.has(keyOf(claim.data))));
  }

  #giveBack(which: (entry: InHand) => boolean): void {
    for (const entry of this.#inHand) if (which(entry)) entry.abort.abort(new Stopping("the process is stopping"));
  }
}

function keyOf({ batchId, ordinal }: { batchId: string; ordinal: number }): string {
  return `${batchId}/${ordinal}`;
}
