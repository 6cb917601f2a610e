import type { Job, PgBoss } from "pg-boss";
import type { ImageJob } from "../contract/jobs.ts";
import type { Tx } from "../db/connection/connect.ts";
import { TAG_IMAGES } from "../domain/load/fair-tag.ts";

/**
 * The most images in a job: those that share a tag. An image with a job of its own cost PostgreSQL 0.40 ms of CPU, a fifth of it for
 * inserting, claiming, keeping alive and deleting that job (docs/adr/0010-jobs-of-several-images.md).
 */
const JOB_IMAGES = TAG_IMAGES;

/** Retries are jobs of one image: after this many rounds of them a claim makes do with fewer images than were asked for. */
const ROUNDS_MAX = 3;

/** An image as it stands in the queue, alone or beside others of its job. */
export type QueuedImage = Pick<ImageJob, "batchId" | "askedSince"> & { ordinal: number };
export type ImageToSend = { data: QueuedImage; priority: number; delayMs?: number };

/**
 * An image that a process has claimed, by claiming the job that names it. The job as it was fetched is the proof: whoever gets
 * it later fetches another attempt of it, or the same at another time, and what this one says is refused from then on.
 */
export type Claim = { id: string; job: ClaimedJob; data: QueuedImage; priority: number };
/**
 * `startedAt`: when it was claimed, in seconds since 1970 as PostgreSQL writes them. A claim is committed before it is on the disk: where
 * the server crashes it can be forgotten, and then who gets the job gets the same attempt of it. `claimedAtMs`: the same moment, in
 * milliseconds of this process's clock that only goes forward.
 */
type ClaimedJob = Job<ImageJob> & { startedAt: string; claimedAtMs: number };

/**
 * Ids of jobs that are still ours. Those that are `locked` at this moment, most likely by a settle of ours, got no sign of life, and are ours
 * by what was committed last.
 */
export type Touched = { alive: Set<string>; locked: Set<string> };

/** `isDrained`: nothing else waits. */
type ClaimedImages = { claims: Claim[]; isDrained: boolean };

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
  /**
   * A job of another version, or one made by hand, would be claimed again and again before all others. The reconciler finds its
   * images without a job and sends them anew.
   */
  const endUnknown = async (tx: Tx, jobs: Job<ImageJob>[]) => {
    if (jobs.length > 0) await boss.deleteJob("image", jobs, { db: tx.executor });
  };
  return {
    /**
     * Whole jobs, the highest priority first: `limit` images or a few more, or fewer. To be called in a keyed transaction: there fifty
     * of 100,000 take 2 ms, whatever the statistics; elsewhere all may be sorted first, which takes 28.
     */
    async claimImages(tx: Tx, limit: number): Promise<ClaimedImages> {
      const claims: Claim[] = [];
      let claimed: Pick<ClaimedJob, "startedAt" | "claimedAtMs"> | undefined;
      for (let round = 0; round < ROUNDS_MAX && claims.length < limit; round += 1) {
        const batchSize = Math.ceil((limit - claims.length) / JOB_IMAGES);
        const jobs = await boss.fetch<ImageJob>("image", { batchSize, db: tx.executor });
        if (jobs.length === 0) return { claims, isDrained: true };
        claimed ??= { startedAt: await claimTime(tx), claimedAtMs: performance.now() };
        const known = jobs.filter(namesImages).toSorted((one, other) => other.data.priority - one.data.priority);
        await endUnknown(
          tx,
          jobs.filter((job) => !namesImages(job)),
        );
        for (const job of known) claims.push(...claimsOf({ ...job, ...claimed }));
        if (jobs.length < batchSize) return { claims, isDrained: true };
      }
      return { claims, isDrained: false };
    },

    /**
     * Tells that the claims are alive, and waits for nobody. A settle holds its jobs while it waits for its batch, which an operator's
     * session may have locked: a heartbeat that waited for one job of it would let the claims of all batches lapse.
     */
    async touch(tx: Tx, claims: readonly Claim[]): Promise<Touched> {
      const jobs = [...new Set(claims.map(({ job }) => job))];
      const free = await listJobs(tx, jobs, FREE_JOBS);
      const rest = jobs.filter(({ id }) => !free.has(id));
      const ours = jobs.filter((job) => isOurs(free.get(job.id), job));
      const alive = ours.length === 0 ? new Set<string>() : changedIds(await boss.touch("image", ours, { db: tx.executor }));
      const seen = rest.length === 0 ? free : await listJobs(tx, rest, SEEN_JOBS);
      return { alive, locked: new Set(rest.filter((job) => isOurs(seen.get(job.id), job)).map(({ id }) => id)) };
    },

    /**
     * Ends the claims within the caller's transaction; only those returned were still ours and may be settled. A job goes with the
     * last of its images; until then it names the others.
     */
    async endClaims(tx: Tx, claims: readonly Claim[]): Promise<Set<Claim>> {
      const byJob = Map.groupBy(claims, ({ job }) => job);
      const listed = await listJobs(tx, [...byJob.keys()], LOCKED_JOBS);
      const ended = new Set<Claim>();
      const whole: ClaimedJob[] = [];
      const rests: JobRest[] = [];
      for (const [job, itsClaims] of byJob) {
        const found = listed.get(job.id);
        if (!isOurs(found, job)) continue;
        const ours = itsClaims.filter(({ data }) => found.ordinals.includes(data.ordinal));
        for (const claim of ours) ended.add(claim);
        const rest = found.ordinals.filter((ordinal) => !ours.some(({ data }) => data.ordinal === ordinal));
        if (rest.length === 0) whole.push(job);
        else rests.push({ id: job.id, ordinals: rest });
      }
      await keepInJobs(tx, rests);
      if (whole.length === 0) return ended;
      const deleted = changedIds(await boss.deleteJob("image", whole, { db: tx.executor }));
      if (deleted.size < whole.length)
        throw new Error("pg-boss did not delete jobs that are locked and ours; is its version the pinned one?");
      return ended;
    },
  };
}

function namesImages({ data }: Job<Partial<ImageJob> | null>): boolean {
  return Array.isArray(data?.ordinals) && data.ordinals.length > 0;
}

function claimsOf(job: ClaimedJob): Claim[] {
  const { ordinals, priority, ...data } = job.data;
  return ordinals.map((ordinal) => ({ id: job.id, job, data: { ...data, ordinal }, priority }));
}

/** What a fetch in this transaction notes as a job's `started_on`, which it gives only with all 35 columns of each. */
async function claimTime(tx: Tx): Promise<string> {
  const text = "select extract(epoch from pgboss.job_now())::text as now";
  const { rows } = await tx.client.query<{ now: string }>({ name: "claim_time", text });
  return rows[0]?.now ?? "";
}

/** The time by the database's clock, in whole milliseconds since 1970, without asking it: the clocks of machines need not agree. */
export function databaseNowMs({ startedAt, claimedAtMs }: ClaimedJob): number {
  return Math.round(Number(startedAt) * 1_000 + performance.now() - claimedAtMs);
}

type ListedJob = { id: string; state: string; retryCount: number; startedAt: string; ordinals: number[] };

function isOurs(found: ListedJob | undefined, { retryCount, startedAt }: ClaimedJob): found is ListedJob {
  return found?.state === "active" && found.retryCount === retryCount && found.startedAt === startedAt;
}

type ListHow = { name: string; lock: string };

/** Settles lock jobs in one order, or they would wait for each other in a circle. */
const LOCKED_JOBS: ListHow = { name: "lock_jobs", lock: "for update" };
/** Those that nobody else has locked. */
const FREE_JOBS: ListHow = { name: "lock_free_jobs", lock: "for update skip locked" };
const SEEN_JOBS: ListHow = { name: "see_jobs", lock: "" };

async function listJobs(tx: Tx, jobs: readonly { id: string }[], { name, lock }: ListHow): Promise<Map<string, ListedJob>> {
  const { rows } = await tx.client.query<ListedJob>({
    name,
    text: `select id, state, retry_count as "retryCount", extract(epoch from started_on)::text as "startedAt", data->'ordinals' as ordinals from pgboss.job
           where name = 'image' and id = any($1::uuid[]) order by id ${lock}`,
    values: [jobs.map(({ id }) => id)],
  });
  return new Map(rows.map((row) => [row.id, row]));
}

type JobRest = { id: string; ordinals: readonly number[] };

/**
 * Leaves jobs that the caller has locked only these of their images. Of a claimed one that is the sign of life as well: a heartbeat that
 * comes meanwhile passes it over.
 */
export async function keepInJobs(tx: Tx, rests: readonly JobRest[]): Promise<void> {
  if (rests.length === 0) return;
  await tx.client.query({
    name: "keep_in_jobs",
    text: KEEP_IN_JOBS,
    values: [JSON.stringify(rests)],
  });
}

/** Each looked up by key, so that no statistics can turn it into a reading of the queue: `at` as in SETTLE_IMAGES (db/settle-images), the order as in INSERT_IMAGES (db/plan-images). */
const KEEP_IN_JOBS = `
  with kept as (
    select k.ordinals, found.at from jsonb_to_recordset($1::jsonb) as k(id uuid, ordinals jsonb)
    cross join lateral (
      select ctid as at from pgboss.job where name = 'image' and id between k.id and k.id order by id offset 0
    ) found
  )
  update pgboss.job j set data = jsonb_set(j.data, '{ordinals}', kept.ordinals),
    heartbeat_on = case j.state when 'active' then pgboss.job_now() end
  from kept where j.name = 'image' and j.ctid = kept.at`;

/** pg-boss returns the ids that a fenced command really changed, but does not say so in its types. */
function changedIds(response: object): Set<string> {
  const { settled } = response as { settled?: string[] };
  if (!Array.isArray(settled)) throw new Error("pg-boss did not say which claims it changed; is its version the pinned one?");
  return new Set(settled);
}
