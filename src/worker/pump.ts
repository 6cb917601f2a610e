import { findClaimedImages, type ClaimedImage } from "../db/claimed-images.ts";
import type { Executor } from "../db/connect.ts";
import type { DownloadWindow } from "../domain/download-window.ts";
import type { Claim, Queue } from "../queue/queue.ts";

type PumpDeps = {
  queue: Pick<Queue, "claimImages" | "touch">;
  executor: Executor;
  window: DownloadWindow;
  startBatches(batchIds: string[]): Promise<void>;
  /** Works one image to its settled outcome. Never rejects. `signal` aborts when the claim is lost or time is up. */
  work(claim: Claim, image: ClaimedImage, hold: Hold): Promise<void>;
  /** Ends a claim whose image needs nothing any more. */
  drop(claim: Claim): Promise<void>;
  /** While false nothing new is claimed (the disk is full). */
  mayClaim(): boolean;
  onError(error: unknown): void;
};

/** What a piece of work shares with the pump that holds its claim. */
export type Hold = {
  signal: AbortSignal;
  /** From here on the work is worth finishing when the process stops. */
  onFetched(): void;
};

export type Pump = {
  wake(): void;
  readonly inHand: number;
  /** Claims nothing more and gives back what is still being fetched; the rest may end until the deadline. */
  drain(deadlineMs: number): Promise<void>;
};

/** pg-boss gives a claim 10 s without a sign of life (its shortest heartbeat): three chances to tell. */
const TOUCH_MS = 3_000;
/** The floor under LISTEN: how long a job can go unnoticed when a notification is lost. */
const POLL_MS = 1_000;
/** A claim costs a query, so that few free slots wait this long for more of them. */
const GATHER_MS = 10;

export class LostClaim extends Error {}
export class Stopping extends Error {}

/** Keeps as many images in hand as the window says, from the queue and across loss of the database. */
export function startPump(deps: PumpDeps): Pump {
  const inHand = new Map<string, { claim: Claim; abort: AbortController; isFetched: boolean }>();
  let isStopping = false;
  let isQueueEmpty = false;
  let wakeUp = () => {};

  const sleep = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  const start = (claim: Claim, image: ClaimedImage | undefined) => {
    const abort = new AbortController();
    const entry = { claim, abort, isFetched: false };
    inHand.set(claim.id, entry);
    const hold: Hold = { signal: abort.signal, onFetched: () => (entry.isFetched = true) };
    const done = image ? deps.work(claim, image, hold) : deps.drop(claim);
    void done.catch(deps.onError).finally(() => {
      inHand.delete(claim.id);
      if (!isQueueEmpty || isStopping) wakeUp();
    });
  };

  const claimMore = async (limit: number) => {
    const claims = await deps.queue.claimImages(limit);
    isQueueEmpty = claims.length < limit;
    if (claims.length === 0) return;
    const images = await findClaimedImages(deps.executor, claims.map(({ data }) => data));
    const byKey = new Map(images.map((image) => [`${image.batchId}/${image.ordinal}`, image]));
    const pending = [...new Set(images.filter((image) => image.isPending).map((image) => image.batchId))];
    if (pending.length > 0) await deps.startBatches(pending);
    for (const claim of claims) start(claim, byKey.get(`${claim.data.batchId}/${claim.data.ordinal}`));
  };

  const run = async () => {
    while (!isStopping) {
      const free = deps.window.size - inHand.size;
      try {
        if (free > 0 && deps.mayClaim()) await claimMore(free);
        else isQueueEmpty = false;
      } catch (error) {
        // What was claimed and not started has no sign of life any more and is handed out again.
        deps.onError(error);
        isQueueEmpty = true;
      }
      if (isStopping) break;
      await sleep(POLL_MS);
      if (!isQueueEmpty && deps.window.size - inHand.size < deps.window.size / 4) await sleep(GATHER_MS);
    }
  };

  const touch = async () => {
    const touched = [...inHand.values()];
    if (touched.length === 0) return;
    try {
      const alive = await deps.queue.touch(touched.map(({ claim }) => claim));
      for (const { claim, abort } of touched) if (!alive.has(claim.id) && inHand.has(claim.id)) abort.abort(new LostClaim("the claim is lost"));
    } catch (error) {
      deps.onError(error);
    }
  };

  const running = run();
  const heartbeat = setInterval(() => void touch(), TOUCH_MS);
  return {
    wake: () => wakeUp(),
    get inHand() {
      return inHand.size;
    },
    async drain(deadlineMs) {
      isStopping = true;
      wakeUp();
      await running;
      const giveBack = (which: (entry: { isFetched: boolean }) => boolean) => {
        for (const entry of inHand.values()) if (which(entry)) entry.abort.abort(new Stopping("the process is stopping"));
      };
      giveBack(({ isFetched }) => !isFetched);
      const deadline = setTimeout(() => giveBack(() => true), deadlineMs);
      while (inHand.size > 0) await sleep(POLL_MS);
      clearTimeout(deadline);
      clearInterval(heartbeat);
    },
  };
}
