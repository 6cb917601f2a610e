import { randomBytes, randomUUIDv7 } from "node:crypto";
import type { DeliverJob } from "../../src/contract/jobs.ts";
import { TABLE_LAYOUT } from "../../src/csv/products-table.ts";
import { insertBatch, insertEndpoint } from "../../src/db/batches.ts";
import { recordEvent } from "../../src/db/events.ts";
import { DEFAULT_TENANT_ID } from "../../src/domain/ids.ts";
import { createAddressPolicy } from "../../src/domain/url/address-policy.ts";
import { createMuteReceivers } from "../../src/domain/load/mute-receivers.ts";
import { PRESETS } from "../../src/domain/image/recipe.ts";
import { createSecret } from "../../src/domain/secret/webhook-signature.ts";
import { createPost } from "../../src/webhook/post.ts";
import { createLog } from "../../src/observe/log.ts";
import { deliverEvent, type DeliveryTarget } from "../../src/webhook/deliver-event.ts";
import { deliver } from "../../src/worker/deliver.ts";
import { openTestQueue } from "./queue.ts";

export const SECRET = createSecret(randomBytes(32));

/** Deliveries in a database of the caller's own, each attempted only when a test calls for it. */
export async function openDeliveries() {
  const { db, queue } = await openTestQueue();
  const post = createPost({ policy: createAddressPolicy({ allowCidrs: ["127.0.0.1/32"] }), userAgent: "test", answerMs: 400 });
  const receivers = createMuteReceivers({ now: () => performance.now(), random: () => 0.5 });
  type Key = { eventId: string; endpointId: string };
  return {
    db,
    async record(url: string, secret: string | null = SECRET): Promise<Key> {
      const [batchId, eventId, endpointId] = [randomUUIDv7(), randomUUIDv7(), randomUUIDv7()];
      await db.transaction(async (tx) => {
        await insertBatch(tx, {
          batchId,
          tenantId: DEFAULT_TENANT_ID,
          token: batchId,
          recipe: PRESETS.seed,
          refresh: "auto",
          onInvalid: "reject",
          metadata: {},
          csvFileName: null,
          csvBytes: 1,
          csvFacts: { ...TABLE_LAYOUT, encoding: "utf-8", hasBom: false, head: "", newline: "\n", rows: 1, rowsWithoutImage: 0, images: 1 },
          products: 1,
          imagesTotal: 1,
          sourceHeaders: null,
          pauseAtFailurePercent: null,
          pauseHostAtFailurePercent: null,
        });
        await insertEndpoint(tx, {
          endpointId,
          tenantId: DEFAULT_TENANT_ID,
          batchId,
          url,
          secret,
          sealedAuthorization: null,
          payload: "event",
        });
        await recordEvent(tx, {
          eventId,
          batchId,
          run: 1,
          type: "batch.completed",
          sequence: 1,
          at: new Date(),
          body: JSON.stringify({ type: "batch.completed", data: { requestId: batchId } }),
          seedBody: null,
        });
      });
      return { eventId, endpointId };
    },
    attempt: (job: DeliverJob, configured: DeliveryTarget | null = null, by = post) =>
      deliver(
        {
          db,
          queue,
          configured,
          openAuthorization: null,
          receivers,
          random: () => 0.5,
          log: createLog("silent"),
          send: (target, event) => deliverEvent({ post: by, now: () => new Date() }, target, event, AbortSignal.timeout(5_000)),
        },
        job,
      ),
    async stateOf({ eventId }: { eventId: string }) {
      const { rows } = await db.executor.executeSql(
        `select state, attempts, extract(epoch from next_at - now())::int as "inSeconds",
           (select count(*)::int from pgboss.job where name = 'deliver' and data->>'eventId' = $1::text and state = 'created') as jobs,
           (select detail from delivery_attempt a where a.event_id = $1::uuid order by attempt desc limit 1) as detail
         from delivery where event_id = $1::uuid`,
        [eventId],
      );
      return rows[0] as { state: string; attempts: number; inSeconds: number; jobs: number; detail: string };
    },
  };
}

export type Deliveries = Awaited<ReturnType<typeof openDeliveries>>;
