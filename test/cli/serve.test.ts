import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { startService } from "../support/service.ts";

describe("pressrun serve", () => {
  test("shows an operator's own database without its password, and the embedded one as psql takes it", async () => {
    const url = new URL(await createTestDatabase());
    const { password } = url;
    assert.ok(password.length > 8);
    const inQuery = Object.assign(new URL(url), { password: "", search: `?pass%77ord=${password}` });
    for (const { href } of [url, inQuery]) {
      const service = await startService({ DATABASE_URL: href, DATA_DIR: await createTestFolder() });
      const said = await lineOf(service.output);
      assert.ok(said.startsWith(`Database: psql "postgres://${url.username}@${url.host}${url.pathname}`), said);
      assert.equal(said.includes(password), false, said);
      await service.kill("SIGTERM");
      assert.equal(service.output.join("\n").includes(password), false);
    }
    const embedded = await startService({
      DATA_DIR: await createTestFolder(),
      // Of another server, to the operator's own psql.
      PGHOST: "db.invalid",
      PGDATA: "/nowhere",
      PGOPTIONS: "-c default_transaction_read_only=on -c foo=bar",
      PGSSLNEGOTIATION: "direct",
      PGREPLICATION: "database",
    });
    assert.match(await lineOf(embedded.output), /^Database: psql "postgres:\/\/pressrun:[\w-]{32}@127\.0\.0\.1:\d+\/pressrun"$/);
    await embedded.kill("SIGTERM");
  });

  test("says at once that it cannot listen, and does not take it for the database's fault", { timeout: 20_000 }, async () => {
    const env = { DATABASE_URL: await createTestDatabase(), DATA_DIR: await createTestFolder() };
    await assert.rejects(startService({ ...env, HOST: "nosuch.invalid", AUTH: "none" }), (error: Error) => {
      assert.match(error.message, /HOST nosuch\.invalid and PORT 0 cannot be listened on: getaddrinfo/);
      assert.doesNotMatch(error.message, /waiting for the database/);
      return true;
    });
  });
});

const lineOf = (output: readonly string[]) =>
  eventually("the line that names the database", async () => output.find((line) => line.startsWith("Database:")));
