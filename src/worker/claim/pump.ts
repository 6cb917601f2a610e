import { setTimeout as delay } from "node:timers/promises";
import { findClaimedImages } from "../../db/claimed-images.ts";
import { findKnownSources, type SourcedImage } from "../../db/known-sources.ts";
import type { Transaction, Tx } from "../../db/connection/connect.ts";
import { imageId } from "../../domain/ids.ts";
import type { Claim } from "../../queue/image-jobs.ts";
import type { Queue } from "../../queue/queue.ts";
import { createAlarm } from "./alarm.ts";
import { ClaimRoom, type RoomDeps } from "./claim-room.ts";
import { ImagesInHand, momentNow, NoRoom, type InHand } from "./images-in-hand.ts";
import type { Untried } from "../settle/settle-together.ts";

type PumpDeps = RoomDeps & {
  queue: Pick<Queue, "claimImages" | "touch">;
  /** Finds rows by their keys. */
  transaction: Transaction;
  startBatches(tx: Tx, batchIds: string[]): Promise<void>;
  /** Works one image to its settled outcome. Never rejects. `lease.signal` aborts when the claim is lost or must be given back. */
  work(claim: Claim, image: SourcedImage, lease: Lease): Promise<void>;
  /** So many outcomes of this batch wait to be recorded, since somebody has it locked, that no more should come. */
  isHeldUp(batchId: string): boolean;
  /** Ends a claim whose image is settled already, whose batch or share is paused, or whose batch is held up. */
  endUntried(untried: Untried): Promise<void>;
  /** Called when every image in hand, or every one of small batches, has its outcome: the settler need not wait for further ones. */
  onAllWorked(which: "all" | "small"): void;
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
/** What was aborted at the deadline is recorded within this. */
const SETTLE_MS = 4_000;
/** Where there is room, but not so much that a claim pays, it is claimed after so long. */
const GATHER_MS = 200;
/** An image of a batch that is held up is claimed and given back again after so long: of 8,000 that are queued, 270 a second. */
const HELD_UP_MS = 30_000;

/** Keeps as many images in hand as the window says, from the queue and across loss of the database. */
export class Pump {
  readonly #deps: PumpDeps;
  readonly #inHand: ImagesInHand;
  readonly #room: ClaimRoom;
  readonly #alarm = createAlarm();
  readonly #running: Promise<void>;
  #isStopping = false;
  #isQueueEmpty = false;

  constructor(deps: PumpDeps) {
    this.#deps = deps;
    this.#inHand = new ImagesInHand(deps);
    this.#room = new ClaimRoom(deps);
    this.#running = this.#run();
  }

  wake(): void {
    this.#alarm.ring();
  }

  /** A batch has begun. */
  wakeForNewBatch(): void {
    this.#room.onNewBatch();
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

  /** The encoders can take no more. */
  get isFull(): boolean {
    return this.#room.isFull;
  }

  async #run(): Promise<void> {
    const { claimMax, onError } = this.#deps;
    while (!this.#isStopping) {
      const { size } = this.#room;
      try {
        const limit = size > 0 ? Math.min(size, claimMax()) : 0;
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
    const claimedAt = momentNow();
    const { isAhead } = this.#room;
    this.#room.onAsked(limit);
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
    this.#room.onClaimed(images);
    this.#inHand.loseTo(claims);
    const byId = new Map(images.map((image) => [imageId(image), image]));
    for (const claim of claims) {
      const image = byId.get(imageId(claim.data));
      const isOfSmallBatch = image !== undefined && !image.isPaused && image.batch.isSmall;
      this.#start(this.#inHand.add(claim, claimedAt, { isAhead, isOfSmallBatch }), image);
    }
    if (this.#room.isForNewBatch) this.wake();
  }

  #start(entry: InHand, image: SourcedImage | undefined): void {
    this.#room.add(entry);
    const lease: Lease = {
      signal: entry.abort.signal,
      confirm: () => this.#inHand.confirm(entry),
      onAsked: () => (entry.isAsked = true),
      onNoRoom: () => entry.abort.abort(new NoRoom("the disk has no room for it")),
      onFetched: () => this.#room.onFetched(entry),
      onWorked: () => this.#onWorked(entry),
    };
    const done = this.#work(entry, image, lease);
    void done.catch(this.#deps.onError).finally(() => {
      this.#onWorked(entry);
      this.#inHand.remove(entry);
      this.#room.remove(entry);
      if (this.#isStopping) this.wake();
    });
  }

  #work(entry: InHand, image: SourcedImage | undefined, lease: Lease): Promise<void> {
    if (!image) return this.#endUntried(entry, { kind: "drop" });
    if (this.#deps.isHeldUp(image.batchId)) return this.#endUntried(entry, { kind: "release", delayMs: HELD_UP_MS });
    if (image.isPaused) return this.#endUntried(entry, { kind: "shelve" });
    return this.#deps.work(entry.claim, image, lease);
  }

  #endUntried(entry: InHand, outcome: Untried["outcome"]): Promise<void> {
    const ended = this.#deps.endUntried({ claim: entry.claim, outcome, isOfSmallBatch: false });
    this.#onWorked(entry);
    return ended;
  }

  #onWorked(entry: InHand): void {
    if (entry.isWorked) return;
    this.#room.onWorked(entry);
    const { areWorked, isWorthAClaim } = this.#room;
    if (areWorked === "all" || (areWorked === "small" && entry.isOfSmallBatch)) this.#deps.onAllWorked(areWorked);
    if (!this.#isQueueEmpty && isWorthAClaim) this.wake();
  }
}
