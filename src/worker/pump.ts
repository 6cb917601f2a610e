import { setTimeout as delay } from "node:timers/promises";
import { findClaimedImages } from "../db/claimed-images.ts";
import { findKnownSources, type SourcedImage } from "../db/known-sources.ts";
import type { Transaction, Tx } from "../db/connect.ts";
import type { DownloadWindow } from "../domain/download-window.ts";
import { imageId } from "../domain/ids.ts";
import type { Claim } from "../queue/image-jobs.ts";
import type { Queue } from "../queue/queue.ts";
import { createAlarm } from "./alarm.ts";
import { ImagesInHand, NoRoom, type InHand } from "./images-in-hand.ts";

type PumpDeps = {
  queue: Pick<Queue, "claimImages" | "touch">;
  /** Finds rows by their keys. */
  transaction: Transaction;
  window: Pick<DownloadWindow, "size" | "sizeAtEnd">;
  /** How many may be on their way, as DOWNLOADS and the line have it. */
  onTheirWayMax(): number;
  startBatches(tx: Tx, batchIds: string[]): Promise<void>;
  /** Works one image to its settled outcome. Never rejects. `lease.signal` aborts when the claim is lost or must be given back. */
  work(claim: Claim, image: SourcedImage, lease: Lease): Promise<void>;
  /** Ends a claim whose image is settled already, or whose batch or share is paused. */
  endUntried(claim: Claim, how: "drop" | "shelve"): Promise<void>;
  /** Called when every image in hand has its outcome: until more are claimed, the settler need not wait for further ones. */
  onAllWorked(): void;
  /** How many of those in hand wait until their host has room for another download. */
  waitingForHost(): number;
  /** How many may be claimed now: as many as the disk has room for, and one, which claims a whole job, now and then while the network is away. */
  claimMax(): number;
  onError(error: unknown): void;
};

/** What a piece of work shares with the pump that holds its claim. */
export type Lease = {
  signal: AbortSignal;
  /** Resolves once the claim is surely ours, so that a file may be put at its place; rejects where it is not. */
  confirm(): Promise<void>;
  /** From here on its origin is being asked. */
  onAsked(): void;
  /** The disk has no room for what comes: it is given back. */
  onNoRoom(): void;
  /** From here on the work is worth finishing when the process stops. */
  onFetched(): void;
  /** From here on it only waits to be recorded, and another image can take its place. */
  onWorked(): void;
};

/** The floor under LISTEN: how long a job can go unnoticed when a notification is lost. */
const POLL_MS = 1_000;
/** How many claims may wait for slow hosts beside the window. */
const HOST_WAIT_MAX = 1_000;
/**
 * How many outcomes may wait to be recorded beside the window. Images of a paused host are worked in no time, and without
 * a limit thousands would be claimed faster than the settler can give them back.
 */
const RECORDING_MAX = 500;
/** What was aborted at the deadline is recorded within this. */
const SETTLE_MS = 4_000;
/** A claim is a transaction, whether of one image or of many: it waits until a quarter of the window is free, or this long. */
const CLAIM_SHARE = 1 / 4;
const GATHER_MS = 200;
/**
 * So many images in a row of batches that are in the queue to their last image are the end of all there is to do. A single claim may
 * happen to hold one batch's share of a tag. Of what may be on its way, the end takes this part.
 */
const AT_END_IMAGES = 100;
const AT_END_SHARE = 3 / 4;
/** How many are claimed beside a full window when a batch has begun (half of them are its first), and how many in all. */
const NEW_BATCH_IMAGES = 20;
const BESIDE_WINDOW_MAX = 60;

/** Keeps as many images in hand as the window says, from the queue and across loss of the database. */
export class Pump {
  readonly #deps: PumpDeps;
  readonly #inHand: ImagesInHand;
  readonly #alarm = createAlarm();
  readonly #running: Promise<void>;
  /** How many of those in hand are being recorded. */
  #worked = 0;
  /** How many of those in hand have not come yet. */
  #fetching = 0;
  /** How many of those in hand were claimed at the end and have not been worked. */
  #ahead = 0;
  #isStopping = false;
  #isQueueEmpty = false;
  /** How many were claimed since the last that belongs to a batch of which more is to come into the queue. */
  #plannedInARow = 0;
  #hasNewBatch = false;

  constructor(deps: PumpDeps) {
    this.#deps = deps;
    this.#inHand = new ImagesInHand(deps);
    this.#running = this.#run();
  }

  wake(): void {
    this.#alarm.ring();
  }

  /** A batch has begun. */
  wakeForNewBatch(): void {
    this.#hasNewBatch = true;
    this.wake();
  }

  /** Something was paused. */
  giveBackPaused(): void {
    void this.#inHand.giveBackPaused().catch(this.#deps.onError);
  }

  /** Claims nothing more and gives back what is still being fetched; the rest may end until the deadline. */
  async drain(deadlineMs: number): Promise<void> {
    this.#isStopping = true;
    this.wake();
    // A claim takes milliseconds; where the database hangs it is left to lapse.
    await Promise.race([this.#running, delay(SETTLE_MS, undefined, { ref: false })]);
    this.#inHand.giveBack(({ isFetched }) => !isFetched);
    const deadline = setTimeout(() => this.#inHand.giveBack(() => true), deadlineMs);
    // Where the database is away nothing can be recorded: claims without a sign of life go to others.
    const giveUpAt = performance.now() + deadlineMs + SETTLE_MS;
    while (this.#inHand.size > 0 && performance.now() < giveUpAt) await this.#alarm.sleep(POLL_MS);
    clearTimeout(deadline);
    this.#inHand.stop();
  }

  /** The encoders can take no more. At the end more may be claimed all the same, and where the line is slow less. */
  get isFull(): boolean {
    return this.#freeInWindow() <= 0;
  }

  #free(): number {
    const { window, onTheirWayMax } = this.#deps;
    const askedMax = onTheirWayMax();
    const free = Math.min(this.#freeInWindow(), askedMax - this.#fetching + this.#waitingForHost);
    if (!this.#isAtEnd) return free;
    // What nobody can be asked for yet is left to other processes, and some room to a batch that begins.
    return Math.max(free, Math.min(window.sizeAtEnd - this.#inWindow, Math.floor(AT_END_SHARE * askedMax) - this.#fetching));
  }

  /**
   * What waits for one slow host takes no place away from the others, within a limit. Nor does what was fetched ahead at the end, from
   * those that come when it is not the end any more.
   */
  #freeInWindow(): number {
    const beside = this.#isAtEnd ? this.#waitingForHost : Math.max(this.#waitingForHost, this.#ahead);
    return this.#deps.window.size - this.#inWindow + beside;
  }

  get #isAtEnd(): boolean {
    return this.#plannedInARow >= AT_END_IMAGES;
  }

  get #waitingForHost(): number {
    return Math.min(this.#deps.waitingForHost(), HOST_WAIT_MAX);
  }

  get #inWindow(): number {
    return this.#inHand.size - Math.min(this.#worked, RECORDING_MAX);
  }

  async #run(): Promise<void> {
    const { claimMax, onError } = this.#deps;
    while (!this.#isStopping) {
      const free = this.#free();
      const room = this.#hasNewBatch ? Math.max(free, Math.min(NEW_BATCH_IMAGES, free + BESIDE_WINDOW_MAX)) : free;
      this.#hasNewBatch = false;
      try {
        const limit = room > 0 ? Math.min(room, claimMax()) : 0;
        if (limit > 0) await this.#claim(limit);
        else this.#isQueueEmpty = false;
      } catch (error) {
        // What was claimed and not started gets no heartbeat, and is handed out again.
        onError(error);
        this.#isQueueEmpty = true;
      }
      if (this.#isStopping) break;
      await this.#alarm.sleep(this.#isQueueEmpty ? POLL_MS : GATHER_MS);
    }
  }

  async #claim(limit: number): Promise<void> {
    const { queue, transaction, startBatches } = this.#deps;
    const claimedAt = performance.now();
    const isAhead = this.#isAtEnd;
    const { claims, isDrained, images } = await transaction(async (tx) => {
      const { claims, isDrained } = await queue.claimImages(tx, limit);
      if (claims.length === 0) return { claims, isDrained, images: [] };
      const images = await findKnownSources(
        tx,
        await findClaimedImages(
          tx,
          claims.map(({ data }) => data),
        ),
      );
      const pending = [...new Set(images.filter(({ batch }) => batch.isPending).map((image) => image.batchId))];
      if (pending.length > 0) await startBatches(tx, pending);
      return { claims, isDrained, images };
    });
    this.#isQueueEmpty = isDrained;
    const isEndInSight = images.length > 0 && images.every(({ batch }) => batch.isPlanned);
    this.#plannedInARow = isEndInSight ? this.#plannedInARow + images.length : 0;
    this.#inHand.loseTo(claims);
    const byId = new Map(images.map((image) => [imageId(image), image]));
    for (const claim of claims) this.#start(this.#inHand.add(claim, claimedAt, { isAhead }), byId.get(imageId(claim.data)));
  }

  #start(entry: InHand, image: SourcedImage | undefined): void {
    const { claim } = entry;
    this.#fetching += 1;
    if (entry.isAhead) this.#ahead += 1;
    const lease: Lease = {
      signal: entry.abort.signal,
      confirm: () => this.#inHand.confirm(entry),
      onAsked: () => (entry.isAsked = true),
      onNoRoom: () => entry.abort.abort(new NoRoom("the disk has no room for it")),
      onFetched: () => this.#onFetched(entry),
      onWorked: () => this.#onWorked(entry),
    };
    const done = image && !image.isPaused ? this.#deps.work(claim, image, lease) : this.#deps.endUntried(claim, image ? "shelve" : "drop");
    void done.catch(this.#deps.onError).finally(() => {
      this.#onWorked(entry);
      this.#inHand.remove(entry);
      this.#worked -= 1;
      if (this.#isStopping) this.wake();
    });
  }

  #onFetched(entry: InHand): void {
    if (entry.isFetched) return;
    entry.isFetched = true;
    this.#fetching -= 1;
  }

  #onWorked(entry: InHand): void {
    if (entry.isWorked) return;
    this.#onFetched(entry);
    entry.isWorked = true;
    this.#worked += 1;
    if (entry.isAhead) this.#ahead -= 1;
    if (this.#worked === this.#inHand.size) this.#deps.onAllWorked();
    if (!this.#isQueueEmpty && this.#free() >= CLAIM_SHARE * this.#deps.window.size) this.wake();
  }
}
