import { randomUUIDv7 } from "node:crypto";
import type { Database } from "../../src/db/connection/connect.ts";
import { DEFAULT_TENANT_ID } from "../../src/domain/ids.ts";
import type { Claim } from "../../src/queue/image-jobs.ts";
import type { Untried, Worked } from "../../src/worker/settle/settle-together.ts";

/** Of a claim that is younger than any resume. */
const LAST_ROUND = 2 ** 31 - 1;

/** The outcome of a first attempt, as a worker would hand it to the settler. */
export function outcomeOf(claim: Claim, outcome: Worked["outcome"], round = LAST_ROUND): Worked {
  return {
    claim,
    startedAtMs: performance.now(),
    attempt: 1,
    round,
    tenantId: DEFAULT_TENANT_ID,
    sourceKey: randomUUIDv7(),
    isOfSmallBatch: true,
    placed: [],
    source: null,
    stageMs: { waitMs: 0, fetchMs: 1, encodeMs: 1, storeMs: 1 },
    outcome,
  };
}

/** What the pump would hand to the settler of a claim that it ends untried. */
export function untriedOf(claim: Claim, outcome: Untried["outcome"]): Untried {
  return { claim, outcome, isOfSmallBatch: false };
}

export type OpenJob = { ordinal: number; state: string; priority: number; later: boolean };

/** A batch's jobs that wait or are in hand, in the order of their images; a job of several images comes once for each. */
export async function openJobs({ executor }: Database, batchId: string, name = "image"): Promise<OpenJob[]> {
  const { rows } = await executor.executeSql(
    `select ordinal::int, state, priority, start_after > now() as later
     from pgboss.job left join lateral jsonb_array_elements_text(data->'ordinals') as listed(ordinal) on true
     where name = $2 and data->>'batchId' = $1 and state < 'completed' order by 1`,
    [batchId, name],
  );
  return rows as OpenJob[];
}
