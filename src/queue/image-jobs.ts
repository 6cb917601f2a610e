import type { Job, PgBoss } from "pg-boss";
import type { ImageJob } from "../contract/jobs.ts";
import type { Tx } from "../db/connect.ts";
import { TAG_IMAGES } from "../domain/fair-tag.ts";

/**
 * A job's images, at most: those that share a tag. To insert, claim, keep alive and delete a job takes PostgreSQL 0.15 ms of CPU,
 * a third of what an image costs it that has a job of its own (docs/adr/0010-jobs-of-several-images.md).
 */
export const JOB_IMAGES = TAG_IMAGES;

/** An image as it stands in the queue, alone or beside others of its job. */
export type QueuedImage = Pick<ImageJob, "batchId" | "askedSince"> & { ordinal: number };
export type ImageToSend = { data: QueuedImage; priority: number; delayMs?: number };

/**
 * An image that a process has claimed, by claiming the job that names it. The job as it was fetched is the proof: whoever gets
 * it later fetches another attempt of it, and what this one says is refused from then on.
 */
export type Claim = { id: string; job: Job<ImageJob>; data: QueuedImage; priority: number };

type JobToSend = { data: ImageJob; priority: number; delayMs: number };

/** Cuts images into jobs: those that stand beside each other, of one batch, one priority and one time. */
export function toJobs(images: readonly ImageToSend[]): JobToSend[] {
  const jobs: JobToSend[] = [];
  for (const { data, priority, delayMs = 0 } of images) {
    const { batchId, ordinal, askedSince } = data;
    const last = jobs.at(-1);
    const isAlike =
      last?.data.batchId === batchId && last.data.askedSince === askedSince && last.priority === priority && last.delayMs === delayMs;
    if (isAlike && last.data.ordinals.length < JOB_IMAGES) last.data.ordinals.push(ordinal);
    else
      jobs.push({
        data: { batchId, ordinals: [ordinal], priority, ...(askedSince === undefined ? {} : { askedSince }) },
        priority,
        delayMs,
      });
  }
  return jobs;
}

export function createImageClaims(boss: Pick<PgBoss, "fetch" | "touch" | "deleteJob">) {
  return {
    /**
     * Whole jobs, the highest priority first, until there are `limit` images: a few more can come, fewer only where nothing else
     * waits. In a keyed transaction: fresh statistics or none, fifty of 100,000 take 2 ms, and 28 where all are sorted first.
     */
    async claimImages(tx: Tx, limit: number): Promise<Claim[]> {
      const claims: Claim[] = [];
      for (;;) {
        const batchSize = Math.ceil((limit - claims.length) / JOB_IMAGES);
        const jobs = await boss.fetch<ImageJob>("image", { batchSize, db: tx.executor });
        claims.push(...jobs.toSorted((one, other) => other.data.priority - one.data.priority).flatMap(claimsOf));
        if (claims.length >= limit || jobs.length < batchSize) return claims;
      }
    },

    /** Tells that the claims are alive; returns the ids of those that are still ours. */
    async touch(tx: Tx, claims: readonly Claim[]): Promise<Set<string>> {
      const jobs = [...new Set(claims.map(({ job }) => job))];
      await lockJobs(tx, jobs);
      return settledIds(await boss.touch("image", jobs, { db: tx.executor }));
    },

    /**
     * Ends the claims within the caller's transaction; only those returned were still ours and may be settled. A job goes with the
     * last of its images; until then it names the others.
     */
    async endClaims(tx: Tx, claims: readonly Claim[]): Promise<Set<Claim>> {
      const byJob = Map.groupBy(claims, ({ job }) => job);
      const listed = await lockJobs(tx, [...byJob.keys()]);
      const ended = new Set<Claim>();
      const whole: Job<ImageJob>[] = [];
      const rests: JobRest[] = [];
      for (const [job, itsClaims] of byJob) {
        const found = listed.get(job.id);
        if (found?.state !== "active" || found.retryCount !== job.retryCount) continue;
        const ours = itsClaims.filter(({ data }) => found.ordinals.includes(data.ordinal));
        for (const claim of ours) ended.add(claim);
        const rest = found.ordinals.filter((ordinal) => !ours.some(({ data }) => data.ordinal === ordinal));
        if (rest.length === 0) whole.push(job);
        else rests.push({ id: job.id, ordinals: rest });
      }
      await keepInJobs(tx, rests);
      if (whole.length === 0) return ended;
      const deleted = settledIds(await boss.deleteJob("image", whole, { db: tx.executor }));
      if (deleted.size < whole.length)
        throw new Error("pg-boss did not delete jobs that are locked and ours; is its version the pinned one?");
      return ended;
    },
  };
}

function claimsOf(job: Job<ImageJob>): Claim[] {
  const { ordinals, priority, ...data } = job.data;
  return ordinals.map((ordinal) => ({ id: job.id, job, data: { ...data, ordinal }, priority }));
}

type ListedJob = { id: string; state: string; retryCount: number; ordinals: number[] };

/** Heartbeats and settles lock the same rows: in one order, or they would wait for each other in a circle. */
async function lockJobs(tx: Tx, jobs: readonly { id: string }[]): Promise<Map<string, ListedJob>> {
  const { rows } = await tx.client.query<ListedJob>({
    name: "lock_jobs",
    text: `select id, state, retry_count as "retryCount", data->'ordinals' as ordinals from pgboss.job
           where name = 'image' and id = any($1::uuid[]) order by id for update`,
    values: [jobs.map(({ id }) => id)],
  });
  return new Map(rows.map((row) => [row.id, row]));
}

export type JobRest = { id: string; ordinals: readonly number[] };

/** Leaves jobs that the caller has locked only these of their images. */
export async function keepInJobs(tx: Tx, rests: readonly JobRest[]): Promise<void> {
  if (rests.length === 0) return;
  await tx.client.query({
    name: "keep_in_jobs",
    text: `update pgboss.job j set data = jsonb_set(j.data, '{ordinals}', k.ordinals)
           from jsonb_to_recordset($1::jsonb) as k(id uuid, ordinals jsonb) where j.name = 'image' and j.id = k.id`,
    values: [JSON.stringify(rests)],
  });
}

/** pg-boss returns the ids that a fenced command really changed, but does not say so in its types. */
function settledIds(response: object): Set<string> {
  const { settled } = response as { settled?: string[] };
  if (!Array.isArray(settled)) throw new Error("pg-boss did not say which claims it changed; is its version the pinned one?");
  return new Set(settled);
}
