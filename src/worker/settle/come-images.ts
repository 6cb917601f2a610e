import { randomUUID } from "node:crypto";
import type { HandCome } from "../../db/come-images.ts";
import type { Claim } from "../../queue/image-jobs.ts";

type Come = { host: string; round: number };

export type ComeImages = {
  /** What was asked for comes well, or has come. May come twice. */
  add(claim: Claim, image: Come): void;
  /** It failed after all, was given back or is settled. */
  remove(claim: Claim): void;
  /** Those of a batch that are not being settled. */
  handOf(batchId: string, settling: readonly Claim[]): HandCome;
};

/** The images in hand that come well, or have come, of which nothing is recorded: they count as tried (domain/batch/failure-budget). */
export function createComeImages(): ComeImages {
  // Short, since the row of every batch with a budget has it.
  const process = randomUUID().slice(0, 8);
  const byBatch = new Map<string, Map<Claim, Come>>();
  return {
    add(claim, image) {
      const { batchId } = claim.data;
      const known = byBatch.get(batchId) ?? new Map<Claim, Come>();
      byBatch.set(batchId, known.set(claim, image));
    },
    remove(claim) {
      const { batchId } = claim.data;
      const known = byBatch.get(batchId);
      known?.delete(claim);
      if (known?.size === 0) byBatch.delete(batchId);
    },
    handOf(batchId, settling) {
      const isSettling = new Set(settling);
      const counts = new Map<string, Come & { count: number }>();
      for (const [claim, image] of byBatch.get(batchId) ?? []) {
        if (isSettling.has(claim)) continue;
        const key = `${image.round} ${image.host}`;
        counts.set(key, { ...image, count: 1 + (counts.get(key)?.count ?? 0) });
      }
      return { process, come: [...counts.values()] };
    },
  };
}
