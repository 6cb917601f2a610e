import { setTimeout as delay } from "node:timers/promises";
import { PgBoss, type JobInsert, type QueueOptions } from "pg-boss";
import type { DeliverJob, FinishJob, ImageJob, PlanJob, RemoveJob } from "../contract/jobs.ts";
import type { Executor, Tx } from "../db/connection/connect.ts";
import { createDropping } from "./drop-waiting.ts";
import { createImageClaims, toJobs, type ImageToSend } from "./image-jobs.ts";
import { NEW_BATCH, tellNews } from "./news.ts";
import { startSupervisor } from "./supervisor.ts";

const QUEUES = ["plan", "image", "finish", "deliver", "remove"] as const;
type QueueName = (typeof QUEUES)[number];
type Payloads = { plan: PlanJob; image: ImageJob; finish: FinishJob; deliver: DeliverJob; remove: RemoveJob };

/**
 * A claim without a heartbeat for this long has lapsed. The supervisor looks every 2 s, so that a dead worker's images are handed
 * out again within 12 s. pg-boss allows no shorter time.
 */
export const LAPSE_SECONDS = 10;
const YEAR_SECONDS = 365 * 24 * 3600;
const COMMON: QueueOptions & { partition: boolean } = {
  // A table of its own, for most: in the shared one, fetch(50) after a large insert took 754 ms instead of 2.7 ms.
  partition: true,
  // pg-boss only ever retries what died (a failure that we saw is settled by us): its limit is as good as none.
  retryLimit: 1_000_000,
  retryDelay: 0,
  // A job that waits is kept.
  retentionSeconds: YEAR_SECONDS,
  deleteAfterSeconds: 3600,
  heartbeatSeconds: LAPSE_SECONDS,
};
/** Jobs whose handler threw (the database was away, say) come back after 1 s, then ever later, at most after a minute. */
const BACKING_OFF: typeof COMMON = { ...COMMON, retryDelay: 1, retryBackoff: true, retryDelayMax: 60 };
const QUEUE_OPTIONS: Record<QueueName, typeof COMMON> = {
  image: { ...COMMON, expireInSeconds: 3600 },
  plan: { ...BACKING_OFF, expireInSeconds: 600 },
  finish: { ...BACKING_OFF, expireInSeconds: 3600 },
  deliver: { ...BACKING_OFF, expireInSeconds: 300 },
  // In the shared table, as it has few jobs: another of its own would wait for everybody who has read the jobs in an open transaction.
  remove: { ...BACKING_OFF, partition: false, expireInSeconds: 3600 },
};

/**
 * How often finished jobs are deleted: they stay for 75 minutes and not, as by pg-boss's default, for up to 25 hours. Each time it walks all
 * jobs, a batch at a time: 2.5 s where 500,000 wait, which are 5 million images.
 */
const MAINTENANCE_SECONDS = 900;

/** The floor under notifications, for jobs whose time comes and for news that were lost. Each look is a query, busy or idle. */
const LOOK_SECONDS = 2;

/** How long jobs in hand may take to end when the process stops, and then the queue's own last statements. */
const STOP_MS = 15_000;
const STATEMENTS_MS = 2_000;

export type Queue = ReturnType<typeof wrapBoss>;
/** What loading and planning a batch ask of the queue: openSender() gives no more. */
export type Sender = Pick<Queue, "sendImages" | "announceBatch" | "sendPlan" | "sendFinish" | "headTag">;

/** Connects to the job tables, making or migrating them first; `supervise` says whether to rescue dead workers' jobs. */
export async function openQueue(options: { executor: Executor; supervise: boolean; onError: (error: Error) => void }): Promise<Queue> {
  const boss = new PgBoss({
    db: options.executor,
    supervise: false,
    schedule: false,
    // The shortest: a pass that our own supervisor asks for is never one too soon.
    monitorIntervalSeconds: 1,
    maintenanceIntervalSeconds: MAINTENANCE_SECONDS,
    warningQueueSize: 10_000_000,
  });
  boss.on("error", (error) => options.onError(asError(error)));
  const queue = wrapBoss(boss, options.executor);
  try {
    await boss.start();
    for (const name of QUEUES) await boss.createQueue(name, QUEUE_OPTIONS[name]);
  } catch (error) {
    await queue.stop();
    throw error;
  }
  const hasLapsed = async () => (await options.executor.executeSql(HAS_LAPSED, [[...QUEUES]])).rows.length > 0;
  const supervisor = options.supervise ? startSupervisor({ hasLapsed, supervise: () => boss.supervise(), onError: options.onError }) : null;
  return {
    ...queue,
    async stop() {
      supervisor?.stop();
      await queue.stop();
    },
  };
}

/** pg-boss reports some errors as copies, which are no Errors themselves. */
function asError(error: Error): Error {
  return error instanceof Error ? error : Object.assign(new Error(), error);
}

/** Only sends: for a thread that loads an upload on a connection of its own and must not run a second set of timers. */
export function openSender(executor: Executor): Sender {
  return wrapBoss(new PgBoss({ db: executor, supervise: false, schedule: false }), executor);
}

function wrapBoss(boss: PgBoss, executor: Executor) {
  let isStopping = false;
  const looking: NodeJS.Timeout[] = [];
  const insert = async <Name extends QueueName>(tx: Tx, name: Name, jobs: JobInsert<Payloads[Name]>[]) => {
    if (jobs.length === 0) return;
    await boss.insert(name, jobs, { db: tx.executor, returnId: false });
    await tellNews(tx, name);
  };

  return {
    ...createDropping(boss),
    ...createImageClaims(boss),

    sendImages: (tx: Tx, images: readonly ImageToSend[]) =>
      insert(
        tx,
        "image",
        toJobs(images).map(({ data, priority, delayMs }) => ({ data, priority, ...startAfter(delayMs) })),
      ),
    /** Once the transaction is committed, whoever is busy looks whether the new batch's images go first. */
    announceBatch: (tx: Tx) => tellNews(tx, NEW_BATCH),
    sendPlan: (tx: Tx, data: PlanJob) => insert(tx, "plan", [{ data }]),
    sendFinish: (tx: Tx, data: FinishJob, delayMs?: number) => insert(tx, "finish", [{ data, ...startAfter(delayMs) }]),
    sendDeliver: (tx: Tx, data: Required<DeliverJob>, delayMs?: number) => insert(tx, "deliver", [{ data, ...startAfter(delayMs) }]),
    sendRemovals: (tx: Tx, removals: readonly RemoveJob[]) => insert(tx, "remove", toData(removals)),

    /** The highest priority that waits, as a tag; null when nothing does. */
    async headTag(tx: Tx): Promise<number | null> {
      const { rows } = await tx.executor.executeSql(HEAD_PRIORITY);
      const priority = rows[0]?.["priority"];
      return typeof priority === "number" ? -priority : null;
    },

    /** `onError` is told what a handler throws, which pg-boss only writes to the job; not of what the end of this process cuts off. */
    async work<Name extends WorkedQueue>(name: Name, atOnce: number, handler: Handler<Name>, onError: (error: unknown) => void) {
      const worker = await workJobs(boss, name, atOnce, async (data, signal) => {
        try {
          await handler(data, signal);
        } catch (error) {
          if (!isStopping) onError(error);
          throw error;
        }
      });
      looking.push(setInterval(worker.wake, LOOK_SECONDS * 1_000));
      return worker;
    },

    /** Frees every claim there is. Only for a process that knows itself alone: all of them were held by its dead forerunner. */
    async freeClaims(): Promise<number> {
      const { rows } = await executor.executeSql("select name, id from pgboss.job where name = any($1) and state = 'active'", [
        [...QUEUES],
      ]);
      for (const name of QUEUES) {
        const ids = rows.flatMap((row) => (row["name"] === name ? [String(row["id"])] : []));
        if (ids.length > 0) await boss.fail(name, ids);
      }
      return rows.length;
    },

    async stop(): Promise<void> {
      isStopping = true;
      looking.forEach(clearInterval);
      // Its own statements come after that, each of which a server that hangs would hold up for a minute.
      await Promise.race([boss.stop({ graceful: true, timeout: STOP_MS }), delay(STOP_MS + STATEMENTS_MS, undefined, { ref: false })]);
    },
  };
}

type WorkedQueue = Exclude<QueueName, "image">;
type Handler<Name extends QueueName> = (data: Payloads[Name], signal: AbortSignal) => Promise<void>;

/**
 * Runs jobs, `atOnce` at a time; where a handler throws, pg-boss runs its job again after a delay. Its workers are woken, by
 * notifications and every two seconds. Left to themselves they would all look together, as they began, and then for long none.
 *
 * One free worker is woken at a time, and each in its turn, so that one whose connection hangs does not hold up the others. A worker
 * that finds a job wakes the next, and looks again when the job is done: where there was one there can be more.
 */
async function workJobs<Name extends WorkedQueue>(boss: PgBoss, name: Name, atOnce: number, handler: Handler<Name>) {
  const workerIds: string[] = [];
  const free = new Set<number>();
  const look = (index: number) => {
    const workerId = workerIds[index];
    // A worker that is being started looks anyway.
    if (workerId !== undefined) boss.notifyWorker(workerId);
  };
  const wake = () => {
    const [next] = free;
    if (next === undefined) return;
    free.delete(next);
    free.add(next);
    look(next);
  };
  for (let index = 0; index < atOnce; index += 1) {
    free.add(index);
    const workerId = await boss.work<Payloads[Name]>(
      name,
      // Longer than its turn takes to come.
      { batchSize: 1, pollingIntervalSeconds: LOOK_SECONDS * (atOnce + 1) },
      async ([job]) => {
        if (!job) return;
        free.delete(index);
        wake();
        try {
          await handler(job.data, job.signal);
        } finally {
          free.add(index);
          look(index);
        }
      },
    );
    workerIds.push(workerId);
  }
  return { wake };
}

/** The conditions of pg-boss's own `failJobsByHeartbeat` and `failJobsByTimeout`; the index on name and state finds the rows. */
const HAS_LAPSED = `select 1 from pgboss.job where name = any($1::text[]) and state = 'active'
    and (heartbeat_on + heartbeat_seconds * interval '1 second' < pgboss.job_now() or started_on + expire_seconds * interval '1 second' < pgboss.job_now()) limit 1`;

/** Reads one entry of the index that pg-boss itself fetches by. What waits for its time is not served now and does not hold the clock. */
const HEAD_PRIORITY = `select priority from pgboss.job where name = 'image' and state < 'active' and not blocked and start_after <= now()
  order by priority desc, created_on, id limit 1`;

function toData<Payload>(payloads: readonly Payload[]): { data: Payload }[] {
  return payloads.map((data) => ({ data }));
}

function startAfter(delayMs: number | undefined): { startAfter?: number } {
  return delayMs ? { startAfter: delayMs / 1000 } : {};
}
