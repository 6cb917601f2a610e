import type { DownloadWindow } from "../../domain/load/download-window.ts";
import type { InHand } from "./images-in-hand.ts";

export type RoomDeps = {
  window: Pick<DownloadWindow, "size" | "sizeAtEnd">;
  /** How many may be on their way, as DOWNLOADS and the line have it. */
  onTheirWayMax(): number;
  /** How many of those in hand wait until their host has room for another download. */
  waitingForHost(): number;
  /** How many outcomes of those in hand wait since somebody has locked what they change. */
  heldUp(): number;
};

/** How many claims may wait for slow hosts beside the window. */
const HOST_WAIT_MAX = 1_000;
/**
 * How many outcomes may wait to be recorded beside the window. Images of a paused host are worked in no time, and without
 * a limit thousands would be claimed faster than the settler can give them back.
 */
const RECORDING_MAX = 500;
/** A claim is a transaction, whether of one image or of many: it waits until a quarter of the window is free. */
const CLAIM_SHARE = 1 / 4;
/**
 * So many images in a row of batches that are in the queue to their last image are the end of all there is to do. A single claim may
 * happen to hold one batch's share of a tag. Of what may be on its way, the end takes this part.
 */
const AT_END_IMAGES = 100;
const AT_END_SHARE = 3 / 4;
/**
 * How many are claimed beside a full window when a batch has begun, and how many in all. Half of them are its first: a claim of fewer
 * would bring those of another batch alone, which stand before it at the same tag.
 */
const NEW_BATCH_IMAGES = 20;
const BESIDE_WINDOW_MAX = 60;
/** Of more batches that begin together the others come with the claims that are for all. */
const NEW_BATCHES_MAX = 10;

/** How many more images may be claimed, by how far those in hand have come. */
export class ClaimRoom {
  readonly #deps: RoomDeps;
  #inHand = 0;
  /** How many of those in hand are being recorded. */
  #worked = 0;
  /** How many of those in hand have not come yet. */
  #fetching = 0;
  /** How many of those in hand were claimed ahead and have not been worked. */
  #ahead = 0;
  /** How many of those in hand are of small batches and have not been worked. */
  #ofSmallBatches = 0;
  /** How many were claimed since the last that belongs to a batch of which more is to come into the queue. */
  #plannedInARow = 0;
  /** How many batches have begun of which nothing was asked for yet. */
  #newBatches = 0;

  constructor(deps: RoomDeps) {
    this.#deps = deps;
  }

  /** The encoders can take no more. At the end more may be claimed all the same, and where the line is slow less. */
  get isFull(): boolean {
    const beside = this.isAtEnd ? this.#waitingForHost : this.#besideWindow;
    return this.#deps.window.size - this.#inWindow + beside <= 0;
  }

  get isAtEnd(): boolean {
    return this.#plannedInARow >= AT_END_IMAGES;
  }

  /** There is room for so many that a transaction for them pays. */
  get isWorthAClaim(): boolean {
    return this.isForNewBatch || this.#free() >= CLAIM_SHARE * this.#deps.window.size;
  }

  /** Whether every image in hand, or every one of small batches, has been worked. */
  get areWorked(): "all" | "small" | null {
    if (this.#worked === this.#inHand) return "all";
    return this.#ofSmallBatches === 0 ? "small" : null;
  }

  /** How many to claim now: none where it is not positive. */
  get size(): number {
    return this.isForNewBatch ? Math.max(this.#free(), NEW_BATCH_IMAGES) : this.#free();
  }

  onNewBatch(): void {
    this.#newBatches = Math.min(NEW_BATCHES_MAX, this.#newBatches + 1);
  }

  /** So many are about to be asked for: of a batch that begins from here on nothing need be among them. */
  onAsked(limit: number): void {
    // Of a claim that the disk or the network makes smaller one batch has had its turn too, or it would be made again and again.
    this.#newBatches = Math.max(0, this.#newBatches - Math.max(1, Math.floor(limit / NEW_BATCH_IMAGES)));
  }

  onClaimed(images: readonly { batch: { isPlanned: boolean } }[]): void {
    const isEndInSight = images.length > 0 && images.every(({ batch }) => batch.isPlanned);
    this.#plannedInARow = isEndInSight ? this.#plannedInARow + images.length : 0;
  }

  add(entry: InHand): void {
    this.#inHand += 1;
    this.#fetching += 1;
    if (entry.isAhead) this.#ahead += 1;
    if (entry.isOfSmallBatch) this.#ofSmallBatches += 1;
  }

  onFetched(entry: InHand): void {
    if (entry.isFetched) return;
    entry.isFetched = true;
    this.#fetching -= 1;
  }

  onWorked(entry: InHand): void {
    if (entry.isWorked) return;
    this.onFetched(entry);
    entry.isWorked = true;
    this.#worked += 1;
    if (entry.isAhead) this.#ahead -= 1;
    if (entry.isOfSmallBatch) this.#ofSmallBatches -= 1;
  }

  remove(entry: InHand): void {
    this.onWorked(entry);
    this.#inHand -= 1;
    this.#worked -= 1;
  }

  /**
   * What was fetched ahead takes no room from a batch that begins at the end either: where images that are slow to encode followed quick
   * ones, hundreds may be in hand, minutes of work, and all that is in the queue may still be all there is to do.
   */
  get isForNewBatch(): boolean {
    if (this.#newBatches === 0) return false;
    return hasRoomForNew(this.#free()) || hasRoomForNew(this.#freeBeside(this.#besideWindow));
  }

  /** What is claimed now is fetched ahead. Not what comes beside what was: a stream of batches that begin would be claimed without end. */
  get isAhead(): boolean {
    return this.isAtEnd ? hasRoomForNew(this.#free()) : this.#isBesideWaiting;
  }

  /**
   * Most of what is claimed now has room only since others wait for their host. All of them come in the end, and where they are slow to
   * encode they are minutes of work that take no room from others either. No more are ahead than wait, so that they do not grow by themselves.
   */
  get #isBesideWaiting(): boolean {
    const room = this.#deps.window.size - this.#inWindow;
    const waiting = this.#waitingForHost;
    return waiting >= this.#ahead && room + waiting > Math.max(0, 2 * room);
  }

  #free(): number {
    const { window, onTheirWayMax } = this.#deps;
    const free = this.#freeBeside(this.isAtEnd ? this.#waitingForHost : this.#besideWindow);
    if (!this.isAtEnd) return free;
    const askedMax = onTheirWayMax();
    // What nobody can be asked for yet is left to other processes, and some room to a batch that begins.
    return Math.max(free, Math.min(window.sizeAtEnd - this.#inWindow, Math.floor(AT_END_SHARE * askedMax) - this.#fetching));
  }

  /** How many have room in the window, where so many of those in hand are none of it, and can be asked for. */
  #freeBeside(count: number): number {
    const { window, onTheirWayMax } = this.#deps;
    return Math.min(window.size - this.#inWindow + count, onTheirWayMax() - this.#fetching + this.#waitingForHost);
  }

  /**
   * What waits for one slow host takes no place away from the others, within a limit. Nor does what was fetched ahead beside that or at the
   * end, from those that come when that is over.
   */
  get #besideWindow(): number {
    return Math.max(this.#waitingForHost, this.#ahead);
  }

  get #waitingForHost(): number {
    return Math.min(this.#deps.waitingForHost(), HOST_WAIT_MAX);
  }

  get #inWindow(): number {
    const heldUp = this.#deps.heldUp();
    return this.#inHand - heldUp - Math.min(this.#worked - heldUp, RECORDING_MAX);
  }
}

function hasRoomForNew(free: number): boolean {
  return free + BESIDE_WINDOW_MAX >= NEW_BATCH_IMAGES;
}
