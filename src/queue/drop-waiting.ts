import type { PgBoss } from "pg-boss";
import type { Tx } from "../db/connection/connect.ts";
import { keepInJobs } from "./image-jobs.ts";
import { PAUSED, tellNews } from "./news.ts";

/**
 * Takes jobs that wait, for their turn or for their time, out of the queue. One that a worker is claiming at this moment is passed over
 * without waiting.
 */
export function createDropping(boss: Pick<PgBoss, "deleteJob">) {
  const remove = async (tx: Tx, name: "image" | "finish", ids: readonly string[]) => {
    if (ids.length > 0) await boss.deleteJob(name, [...ids], { db: tx.executor });
  };
  const removeWaiting = async (tx: Tx, name: "image" | "finish", batchId: string) => {
    const { rows } = await tx.executor.executeSql(OF_BATCH, [batchId, name]);
    await remove(
      tx,
      name,
      rows.map(({ id }) => String(id)),
    );
  };
  return {
    /** For a pause. Once the transaction is committed, every worker is told to give back what was paused. */
    async dropWaitingImages(tx: Tx, batchId: string): Promise<void> {
      await removeWaiting(tx, "image", batchId);
      await tellNews(tx, PAUSED);
    },

    /** The same for the pause of one host. Returns the ordinals of those that have no job any more, and how many are being worked. */
    async dropWaitingOfHost(tx: Tx, batchId: string, host: string): Promise<{ dropped: number[]; inHand: number }> {
      const found = (await tx.executor.executeSql(OF_HOST, [batchId, host])).rows as { id: string; ordinal: number; isActive: boolean }[];
      const byJob = Map.groupBy(found, ({ id }) => id);
      const waitingIds = [...byJob].flatMap(([id, [image]]) => (image?.isActive ? [] : [id]));
      const waiting = (await tx.executor.executeSql(STILL_WAITING, [waitingIds])).rows as { id: string; ordinals: number[] }[];
      const dropped = new Set<number>();
      const rests = waiting.map(({ id, ordinals }) => {
        const itsOwn = new Set(byJob.get(id)?.map(({ ordinal }) => ordinal));
        for (const ordinal of itsOwn) dropped.add(ordinal);
        return { id, ordinals: ordinals.filter((ordinal) => !itsOwn.has(ordinal)) };
      });
      await keepInJobs(
        tx,
        rests.filter(({ ordinals }) => ordinals.length > 0),
      );
      await remove(
        tx,
        "image",
        rests.flatMap(({ id, ordinals }) => (ordinals.length === 0 ? [id] : [])),
      );
      await tellNews(tx, PAUSED);
      // An image whose job was sent once too often can wait and be in hand as well.
      const taken = new Set(waiting.map(({ id }) => id));
      const inHand = new Set(found.filter(({ id }) => !taken.has(id)).map(({ ordinal }) => ordinal));
      return { dropped: [...dropped].filter((ordinal) => !inHand.has(ordinal)), inHand: inHand.size };
    },

    /**
     * For the end of a cancelled batch: takes what waits again out of the queue (images that were being tried and failed, or whose worker
     * died), and whoever else waits to end it. Returns whether any of its images still has a job.
     */
    async clearBatch(tx: Tx, batchId: string): Promise<{ isInHand: boolean }> {
      await removeWaiting(tx, "image", batchId);
      await removeWaiting(tx, "finish", batchId);
      return { isInHand: await hasImageJobs(tx, batchId) };
    },

    hasImageJobs,
  };
}

const OF_BATCH = `select id from pgboss.job where name = $2 and state < 'active' and data->>'batchId' = $1::text for update skip locked`;

/** All images of one host that have a job, in one reading of the queue. Some 8,000 at most have one, and each is found by key. */
const OF_HOST = `select j.id, i.ordinal, j.state = 'active' as "isActive"
  from (select id, state, jsonb_array_elements_text(data->'ordinals')::int as ordinal from pgboss.job where name = 'image' and state <= 'active' and data->>'batchId' = $1::text offset 0) j
  cross join lateral (select ordinal from image where batch_id = $1::uuid and ordinal = j.ordinal and host = $2 offset 0) i`;
const STILL_WAITING = `select id, data->'ordinals' as ordinals from pgboss.job where name = 'image' and id = any($1::uuid[]) and state < 'active' order by id for update skip locked`;

/** In hand or waiting, read as of one moment: one that is sent again has a job. */
async function hasImageJobs(tx: Tx, batchId: string): Promise<boolean> {
  return (await tx.executor.executeSql(HAS_JOBS, [batchId])).rows.length > 0;
}

const HAS_JOBS = `select 1 from pgboss.job where name = 'image' and state <= 'active' and data->>'batchId' = $1::text limit 1`;
