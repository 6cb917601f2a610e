import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connectDatabase } from "../../src/db/connection/connect.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { startService } from "../support/service.ts";

const HOUR_MS = 3_600_000;
const MINUTE_SECONDS = 60;

/** What a process loads first whose machine's clock is wrong by so much. */
const clockOffBy = (ms: number) =>
  `data:text/javascript,${encodeURIComponent(`
    const now = Date.now;
    globalThis.Date = class extends Date {
      constructor(...given) { given.length > 0 ? super(...given) : super(now() + ${ms}); }
      static now() { return now() + ${ms}; }
    };`)}`;

describe("a clock that is wrong", { concurrency: true }, () => {
  for (const [name, offMs] of [
    ["ahead", HOUR_MS],
    ["behind", -HOUR_MS],
  ] as const)
    test(`a worker whose clock is an hour ${name} reports no other waits and attempts than others`, { timeout: 60_000 }, async () => {
      const refusals = new Map([
        ["/busy.jpg", { status: 500, left: 1 }],
        ["/limited.jpg", { status: 429, left: 2 }],
      ]);
      const origin = await startOrigin((_, response, url) => {
        const refusal = refusals.get(url.pathname);
        if (!refusal || refusal.left-- <= 0) return void response.writeHead(404).end();
        response.writeHead(refusal.status, refusal.status === 429 ? { "retry-after": "1" } : {}).end();
      });
      const url = await createTestDatabase();
      const env = { DATABASE_URL: url, DATA_DIR: await createTestFolder(), NODE_OPTIONS: `--import=${clockOffBy(offMs)}` };
      const service = await startService(env);
      const db = connectDatabase({ url, poolMax: 1, onError: () => {} });
      onCleanup(() => db.close());
      const { requestId } = await service.upload(catalogueOf(["photo/1", "busy", "limited"].map((name) => [`${origin.url}/${name}.jpg`])));
      // By the database's clock, which another worker asks as well; one whose machine's was ahead may have noted a later time.
      const offSeconds = await eventually("an image to wait as its host asked", async () => {
        const { rows } = await db.executor.executeSql(
          `with found as (
           select id, round((data->>'askedSince')::numeric / 1000 - extract(epoch from now()))::int as off from pgboss.job
           where name = 'image' and state = 'created' and data ? 'askedSince' for update
         )
         update pgboss.job j set data = jsonb_set(data, '{askedSince}', to_jsonb((data->>'askedSince')::bigint + $1)) from found
         where j.name = 'image' and j.id = found.id returning found.off`,
          [HOUR_MS],
        );
        return rows[0]?.["off"] ?? null;
      });
      assert.ok(Math.abs(Number(offSeconds)) < MINUTE_SECONDS, `${offSeconds} s from the database's time`);
      await service.finished(requestId);

      const isSoon = (value: string) => `${value} between 0 and ${MINUTE_SECONDS}`;
      const { rows } = await db.executor.executeSql(
        `select a.outcome, ${isSoon("a.duration_seconds")} as "tookNoTime", ${isSoon("extract(epoch from now() - a.started_at)")} as "beganNow",
         ${isSoon("i.wait_seconds")} as "hardlyWaited"
       from report.image_attempts a join report.images i using (batch_id, ordinal) order by a.outcome`,
      );
      const right = { tookNoTime: true, beganNow: true, hardlyWaited: true };
      assert.deepEqual(
        rows,
        ["done", "give_up", "give_up", "retry"].map((outcome) => ({ outcome, ...right })),
      );
    });
});
