import assert from "node:assert/strict";
import { test } from "node:test";
import type { AcceptedBatch, Batch } from "../../src/contract/batch.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { startOrigin } from "../support/origin.ts";
import { startService } from "../support/service.ts";

test("a batch tells which hosts its images wait for, until when and why; one with credentials of its own does not wait", async () => {
  const origin = await startOrigin((request, response) => {
    if (request.headers.authorization === undefined) response.writeHead(429, { "retry-after": "120" }).end();
    else response.writeHead(302, { location: "/photo/1.jpg" }).end();
  });
  const { host } = new URL(origin.url);
  const service = await startService({
    DATABASE_URL: await createTestDatabase(),
    DATA_DIR: await createTestFolder(),
    SECRET_KEY: "x".repeat(32),
  });
  const begin = async (options: object = {}) => {
    const body = JSON.stringify({ products: [{ images: [`${origin.url}/limited.jpg`] }], ...options });
    const response = await fetch(`${service.url}/v1/batches`, { method: "POST", headers: { "content-type": "application/json" }, body });
    assert.equal(response.status, 202);
    return (await response.json()) as AcceptedBatch;
  };
  const look = async ({ links }: Batch) => (await (await fetch(links.self)).json()) as Batch;

  const begunAt = Date.now();
  const batch = await begin();
  assert.equal(batch.waitingHosts, undefined);
  const waiting = await eventually("the host to be left alone", async () => {
    const { waitingHosts } = await look(batch);
    return waitingHosts?.length === 0 ? null : waitingHosts;
  });
  const [only, ...others] = waiting;
  assert.ok(only);
  const { until, ...named } = only;
  assert.deepEqual([others, named], [[], { host, code: "rate_limited", message: "The server asks us to slow down." }]);
  const waitMs = Date.parse(until) - begunAt;
  assert.ok(waitMs > 110_000 && waitMs < 150_000, `${waitMs} ms`);

  const trusted = await begin({ sourceHeaders: [{ host, headers: { authorization: "Bearer s3cret" } }] });
  const ended = await eventually("the end of the batch with credentials", async () => {
    const now = await look(trusted);
    assert.deepEqual(now.waitingHosts, []);
    return now.finishedAt === null ? null : now;
  });
  assert.equal(ended.progress.completed, 1);
  const { batches } = (await (await fetch(`${service.url}/v1/batches`)).json()) as { batches: Batch[] };
  assert.deepEqual(
    batches.map(({ waitingHosts }) => waitingHosts),
    [undefined, undefined],
  );
});
