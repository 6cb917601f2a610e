import assert from "node:assert/strict";
import { test } from "node:test";
import { connectDatabase } from "../../src/db/connect.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
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

for (const [name, offMs] of [
  ["ahead", HOUR_MS],
  ["behind", -HOUR_MS],
] as const)
  test(`a worker whose clock is an hour ${name} reports no other waits and attempts than others`, { timeout: 60_000 }, async () => {
    let refusals = 1;
    const origin = await startOrigin((_, response) => void response.writeHead(refusals-- > 0 ? 503 : 404).end());
    const url = await createTestDatabase();
    const env = { DATABASE_URL: url, DATA_DIR: await createTestFolder(), NODE_OPTIONS: `--import=${clockOffBy(offMs)}` };
    const service = await startService(env);
    const { requestId } = await service.upload(catalogueOf([[`${origin.url}/photo/1.jpg`], [`${origin.url}/busy.jpg`]]));
    await service.finished(requestId);

    const db = connectDatabase({ url, poolMax: 1, onError: () => {} });
    onCleanup(() => db.close());
    const isSoon = (value: string) => `${value} between 0 and ${MINUTE_SECONDS}`;
    const { rows } = await db.executor.executeSql(
      `select a.outcome, ${isSoon("a.duration_seconds")} as "tookNoTime", ${isSoon("extract(epoch from now() - a.started_at)")} as "beganNow",
         ${isSoon("i.wait_seconds")} as "hardlyWaited"
       from report.image_attempts a join report.images i using (batch_id, ordinal) order by a.outcome`,
    );
    const right = { tookNoTime: true, beganNow: true, hardlyWaited: true };
    assert.deepEqual(
      rows,
      ["done", "give_up", "retry"].map((outcome) => ({ outcome, ...right })),
    );
  });
