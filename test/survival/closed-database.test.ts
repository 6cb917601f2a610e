import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { startService } from "../support/service.ts";

test(
  "while the server lets its role no longer in, every answer says so, and what was made meanwhile is kept",
  { timeout: 60_000 },
  async () => {
    const { role, url, admin } = await createRole();
    const photo = await makeSamplePhoto({ width: 320, height: 240, seed: 3, format: "jpeg" });
    const isClosed = Promise.withResolvers<void>();
    const origin = await startOrigin(
      (_, response) => void isClosed.promise.then(() => response.setHeader("content-type", "image/jpeg").end(photo)),
    );
    const service = await startService({ DATABASE_URL: url, DATA_DIR: await createTestFolder(), ENCODERS: "1" });
    const { requestId } = await service.upload(catalogueOf([[`${origin.url}/1.jpg`], [`${origin.url}/2.jpg`]]));
    await eventually("the downloads", async () => origin.hits.size === 2);

    await admin.query(`alter role ${role} nologin`);
    await admin.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", [role]);
    // More than the connections that it had, of which the first answers still tell that they were ended.
    for (let asked = 0; asked < 20; asked += 1) {
      const answer = await fetch(`${service.url}/getProcessingStatus/${requestId}`);
      assert.deepEqual([answer.status, answer.headers.get("retry-after")], [503, "5"], await answer.text());
    }
    isClosed.resolve();
    await eventually("a settle that is refused", async () => service.output.some((line) => line.includes('"command":"settle"')));
    await admin.query(`alter role ${role} login`);
    const lines = service.output.filter((line) => line.includes('"code":"28000"'));
    assert.deepEqual(
      lines.filter((line) => line.includes('"stack"')),
      [],
      "no line of a role that may not log in has a stack, the queue's neither",
    );

    assert.equal((await service.finished(requestId)).progress.completed, 2);
    assert.deepEqual([...origin.hits.values()], [1, 1]);
    assert.equal((await service.kill("SIGTERM")).code, 0);
    await admin.query(`alter role ${role} nologin`);
    const startedAt = performance.now();
    await assert.rejects(
      startService({ DATABASE_URL: url, DATA_DIR: await createTestFolder() }),
      /cannot be used: role .* is not permitted to log in/,
    );
    assert.ok(performance.now() - startedAt < 30_000, "who starts with a wrong DATABASE_URL is told at once");
  },
);

/** A role of the test's own, that may do all in a database of its own. */
async function createRole() {
  const databaseUrl = new URL(await createTestDatabase());
  const role = databaseUrl.pathname.slice(1);
  const admin = new pg.Client({ connectionString: process.env["TEST_POSTGRES_URL"] });
  await admin.connect();
  await admin.query(`create role ${role} superuser login password 'once'`);
  onCleanup(async () => {
    await admin.query(`drop role ${role}`);
    await admin.end();
  });
  return { role, url: Object.assign(databaseUrl, { username: role, password: "once" }).href, admin };
}
