import { createGate, NEVER, runInside, type Gate } from "../domain/load/gate.ts";
import { unavailable, type ProblemError } from "../http/problems.ts";

type Read<T> = () => Promise<T>;

/** Where pages of a batch's products and outputs are read for answers. A place is held while the database is read, and not while a client reads. */
export type PagePlaces = {
  /** Rejects with a problem where there is no place in time, and where its client has gone meanwhile. */
  once<T>(batchId: string, read: Read<T>, gone?: AbortSignal): Promise<T>;
  /** For the pages of one answer: the first as by once(), the others however long it takes, since the answer has begun. */
  pageByPage(batchId: string): <T>(read: Read<T>) => Promise<T>;
};

/** The share of the pool's connections: the others are left to claims, settles and uploads, which a hundred clients that poll once kept out. */
const SHARE_OF_POOL = 1 / 4;
/** As long as one waits for a connection of the pool. */
const WAIT_MS = 5_000;

export function createPagePlaces({ poolMax }: { poolMax: number }): PagePlaces {
  const max = Math.max(1, Math.floor(poolMax * SHARE_OF_POOL));
  const all = createGate(() => max);
  // One is left to other batches, where there are two or more. Of each as many as it may have wait for the others, in their order, so that none is kept out by one.
  const ofOneMax = Math.max(1, max - 1);
  const batches = new Map<string, Gate>();

  const enter = async <T>(batchId: string, read: Read<T>, signal: AbortSignal): Promise<T> => {
    const own = batches.get(batchId) ?? createGate(() => ofOneMax);
    batches.set(batchId, own);
    try {
      return await runInside(own, () => runInside(all, read, signal), signal);
    } finally {
      if (own.inside === 0 && own.waiting === 0) batches.delete(batchId);
    }
  };
  const once: PagePlaces["once"] = async (batchId, read, gone) => {
    const deadline = AbortSignal.timeout(WAIT_MS);
    return enter(batchId, read, gone ? AbortSignal.any([deadline, gone]) : deadline).catch((error: unknown) => {
      throw deadline.aborted && error === deadline.reason ? tooMany() : error;
    });
  };
  return {
    once,
    pageByPage(batchId) {
      let hasBegun = false;
      return async (read) => {
        if (hasBegun) return enter(batchId, read, NEVER);
        const page = await once(batchId, read);
        hasBegun = true;
        return page;
      };
    },
  };
}

function tooMany(): ProblemError {
  return unavailable(
    "As many pages of products are being read as may be at once; try again in a few seconds, or ask for fewer of them with limit.",
    5,
  );
}
