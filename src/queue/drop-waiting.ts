import type { PgBoss } from "pg-boss";
import type { Tx } from "../db/connect.ts";
import { PAUSED, tellNews } from "./news.ts";

/**
 * For a pause: takes jobs of images out of the queue that wait, for their turn or for their time. What somebody is claiming at
 * this moment is left to him and not waited for. Once the transaction is committed, whoever has some in hand hears of it.
 */
export function createDropping(boss: Pick<PgBoss, "deleteJob">) {
  const drop = async (tx: Tx, jobs: Record<string, unknown>[]) => {
    if (jobs.length > 0)
      await boss.deleteJob(
        "image",
        jobs.map((job) => String(job["id"])),
        { db: tx.executor },
      );
    await tellNews(tx, PAUSED);
  };
  return {
    async dropWaitingImages(tx: Tx, batchId: string): Promise<void> {
      await drop(tx, (await tx.executor.executeSql(OF_BATCH, [batchId])).rows);
    },

    /** Those of one host; returns the ordinals of images that have no job any more, and how many of its images somebody works. */
    async dropWaitingOfHost(tx: Tx, batchId: string, host: string): Promise<{ dropped: number[]; inHand: number }> {
      const { rows } = await tx.executor.executeSql(OF_HOST, [batchId, host]);
      const jobs = rows.map((row) => ({ id: String(row["id"]), ordinal: Number(row["ordinal"]), isActive: row["isActive"] === true }));
      const waiting = await tx.executor.executeSql(STILL_WAITING, [jobs.filter(({ isActive }) => !isActive).map(({ id }) => id)]);
      await drop(tx, waiting.rows);
      const ids = new Set(waiting.rows.map(({ id }) => id));
      const dropped = new Set(jobs.filter(({ id }) => ids.has(id)).map(({ ordinal }) => ordinal));
      // An image whose job was sent once too often can wait and be in hand as well.
      const inHand = new Set(jobs.filter(({ id }) => !ids.has(id)).map(({ ordinal }) => ordinal));
      return { dropped: [...dropped].filter((ordinal) => !inHand.has(ordinal)), inHand: inHand.size };
    },
  };
}

const OF_BATCH = `select id from pgboss.job where name = 'image' and state < 'active' and data->>'batchId' = $1::text for update skip locked`;

/** All of one host, in one reading of the queue. A batch has some 2,000 jobs at most: each finds its image by key. */
const OF_HOST = `select j.id, i.ordinal, j.state = 'active' as "isActive"
  from (select id, state, (data->>'ordinal')::int as ordinal from pgboss.job where name = 'image' and state <= 'active' and data->>'batchId' = $1::text offset 0) j
  cross join lateral (select ordinal from image where batch_id = $1::uuid and ordinal = j.ordinal and host = $2 offset 0) i`;
const STILL_WAITING = `select id from pgboss.job where name = 'image' and id = any($1::uuid[]) and state < 'active' order by id for update skip locked`;
