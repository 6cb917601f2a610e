import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { createTestDatabase } from "../support/database.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf } from "../support/origin.ts";
import { serve } from "../support/serve.ts";
import { startService } from "../support/service.ts";

const HOSTS = 10;
const IMAGES = 400;
/** The network goes after so many answers. Up to 32 more than these are on their way then (domain/load/line-load.ts), and are broken. */
const BEFORE = 40;
const AWAY_MS = 6_000;

/** Hosts that answer 404, behind a network that goes away after some answers, and comes back. */
async function startHosts() {
  let [answers, broken] = [0, 0];
  let back: NodeJS.Timeout | undefined;
  let isAway = false;
  const goAway = () => {
    isAway = true;
    back ??= setTimeout(() => (isAway = false), AWAY_MS);
  };
  const startHost = async () => {
    const server = createServer(({ socket }, response) => {
      if (answers === BEFORE && back === undefined) goAway();
      if (isAway) {
        broken += 1;
        return socket.resetAndDestroy();
      }
      answers += 1;
      return response.writeHead(404).end();
    });
    return (await serve(server)).url;
  };
  const urls = await Promise.all(Array.from({ length: HOSTS }, startHost));
  return {
    urls,
    get broken() {
      return broken;
    },
  };
}

test("while the network is away little is tried, nothing fails by it, and all goes on when it is back", { timeout: 60_000 }, async () => {
  const hosts = await startHosts();
  const service = await startService({ DATABASE_URL: await createTestDatabase(), DATA_DIR: await createTestFolder(), ENCODERS: "1" });
  const urls = Array.from({ length: IMAGES }, (_, index) => [`${hosts.urls[index % HOSTS]}/missing-${index}.jpg`]);
  const { requestId } = await service.upload(catalogueOf(urls));
  const { progress, products } = await service.finished(requestId, 25_000);
  assert.equal(progress.failed, IMAGES);
  assert.ok(products.every(({ errors }) => errors.every((error) => error?.code === "not_found")));
  assert.ok(hosts.broken > 0 && hosts.broken <= 100, `${hosts.broken} tried in vain`);
});
