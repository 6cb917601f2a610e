import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "../support/database.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin, type Handler } from "../support/origin.ts";
import { startService } from "../support/service.ts";

const ANSWER_MS = 10;

/** Answers 404 after a while, and knows how many it had to answer at once. */
function createLateAnswers(): { answer: Handler; readonly most: number } {
  let [now, most] = [0, 0];
  const answer: Handler = (_, response) => {
    now += 1;
    most = Math.max(most, now);
    setTimeout(() => {
      now -= 1;
      response.writeHead(404).end();
    }, ANSWER_MS);
  };
  return {
    answer,
    get most() {
      return most;
    },
  };
}

test("no more is downloaded at once than DOWNLOADS says, of all hosts, however many images are claimed", { timeout: 60_000 }, async () => {
  const late = createLateAnswers();
  const origins = await Promise.all([1, 2, 3].map(() => startOrigin(late.answer)));
  const env = { DATABASE_URL: await createTestDatabase(), DATA_DIR: await createTestFolder(), ENCODERS: "1" };
  const service = await startService({ ...env, DOWNLOADS: "2" });
  const urls = Array.from({ length: 60 }, (_, index) => `${origins[index % 3]?.url}/missing-${index}.jpg`);
  const { requestId } = await service.upload(catalogueOf(urls.map((url) => [url])));
  const { progress } = await service.finished(requestId);
  assert.equal(progress.failed, urls.length);
  assert.equal(late.most, 2);
});

test("no more is asked of one host at once than DOWNLOADS_PER_HOST says, whichever hosts redirect to it", { timeout: 60_000 }, async () => {
  const late = createLateAnswers();
  const target = await startOrigin(late.answer);
  const redirect: Handler = (_, response, { pathname }) => response.writeHead(302, { location: `${target.url}${pathname}` }).end();
  const origins = await Promise.all([1, 2, 3].map(() => startOrigin(redirect)));
  const env = { DATABASE_URL: await createTestDatabase(), DATA_DIR: await createTestFolder(), ENCODERS: "1" };
  const service = await startService({ ...env, DOWNLOADS_PER_HOST: "2" });
  const urls = Array.from({ length: 60 }, (_, index) => `${origins[index % 3]?.url}/missing-${index}.jpg`);
  const { requestId } = await service.upload(catalogueOf(urls.map((url) => [url])));
  const { progress } = await service.finished(requestId);
  assert.equal(progress.failed, urls.length);
  assert.equal(target.hits.size, urls.length);
  assert.equal(late.most, 2);
});
