import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServerResponse } from "node:http";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { createTestFolder } from "../support/folder.ts";
import { eventually } from "../support/eventually.ts";
import { catalogueOf, startOrigin, type Handler, type Origin } from "../support/origin.ts";
import { startService } from "../support/service.ts";

const ANSWER_MS = 10;
const IMAGES = 60;

/** Answers 404 after a while, to `limit` at once, and refuses the others; knows how many there were of both. */
function createLateAnswers(limit = Infinity, refuse: Handler = () => assert.fail()) {
  let [now, most, refused] = [0, 0, 0];
  const answer: Handler = (request, response, url) => {
    if (now >= limit) {
      refused += 1;
      return refuse(request, response, url);
    }
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
    get refused() {
      return refused;
    },
  };
}

/** Answers with a page after `ms`, to `serves` at once, while the others wait; knows for each answer how many were asked for then. */
function createPatientOrigin(serves: number, ms: number): { answer: Handler; asked: number[] } {
  const waiting: (() => void)[] = [];
  const asked: number[] = [];
  let [now, served] = [0, 0];
  const serve = (response: ServerResponse) => {
    served += 1;
    setTimeout(() => {
      asked.push(now);
      now -= 1;
      served -= 1;
      response.end("no image");
      waiting.shift()?.();
    }, ms);
  };
  const answer: Handler = (_, response) => {
    now += 1;
    if (served < serves) serve(response);
    else waiting.push(() => serve(response));
  };
  return { answer, asked };
}

/** Answers 404 to four a second, as over a line that all downloads share, and to all at once after `count` of them. */
function createSharedLine(count: number): { answer: Handler; askedAt: number[] } {
  const waiting: (() => void)[] = [];
  /** How many had been asked for as each of the first was answered. */
  const askedAt: number[] = [];
  let asked = 0;
  let line: NodeJS.Timeout | undefined;
  const answerNext = () => {
    askedAt.push(asked);
    if (askedAt.length < count) return waiting.shift()?.();
    clearInterval(line);
    for (const end of waiting.splice(0)) end();
  };
  const answer: Handler = (_, response) => {
    asked += 1;
    line ??= setInterval(answerNext, 250);
    const end = () => void response.writeHead(404).end();
    if (askedAt.length < count) waiting.push(end);
    else end();
  };
  return { answer, askedAt };
}

/** Sends `/large-N` over a line that all share, 100 kB a second, until it is over after some seconds; answers 404 to all else at once. */
function createSlowLine(): { answer: Handler; readonly most: number } {
  const [bytes, bytesPerSecond, lineMs, stepMs] = [300_000, 100_000, 10_000, 50];
  const bodies = new Map<ServerResponse, number>();
  let most = 0;
  let endsAt: number | null = null;
  const step = () => {
    const isOver = endsAt !== null && performance.now() > endsAt;
    const share = Math.ceil((bytesPerSecond * stepMs) / 1_000 / bodies.size);
    for (const [response, left] of bodies) {
      const piece = Math.min(left, isOver ? left : share);
      response.write(Buffer.alloc(piece));
      bodies.set(response, left - piece);
      if (left > piece) continue;
      response.end();
      bodies.delete(response);
    }
  };
  onCleanup(() => clearInterval(stepping));
  const stepping = setInterval(step, stepMs);
  const answer: Handler = (_, response, { pathname }) => {
    if (!pathname.startsWith("/large-")) return response.writeHead(404).end();
    endsAt ??= performance.now() + lineMs;
    response.writeHead(200, { "content-length": bytes }).flushHeaders();
    response.once("close", () => bodies.delete(response));
    bodies.set(response, bytes);
    if (performance.now() < endsAt) most = Math.max(most, bodies.size);
  };
  return {
    answer,
    get most() {
      return most;
    },
  };
}

/** Runs a batch of images that all fail, spread over these origins. */
async function runBatch(
  origins: readonly Origin[],
  settings: Record<string, string>,
  images = IMAGES,
  pathOf = (index: number) => `/missing-${index}.jpg`,
): Promise<void> {
  const service = await startService({
    DATABASE_URL: await createTestDatabase(),
    DATA_DIR: await createTestFolder(),
    ENCODERS: "1",
    ...settings,
  });
  const urls = Array.from({ length: images }, (_, index) => `${origins[index % origins.length]?.url}${pathOf(index)}`);
  const { requestId } = await service.upload(catalogueOf(urls.map((url) => [url])));
  const { progress } = await service.finished(requestId);
  assert.equal(progress.failed, images);
}

test("no more is downloaded at once than DOWNLOADS says, of all hosts, however many images are claimed", { timeout: 60_000 }, async () => {
  const late = createLateAnswers();
  await runBatch(await Promise.all([1, 2, 3].map(() => startOrigin(late.answer))), { DOWNLOADS: "2" });
  assert.equal(late.most, 2);
});

test("no more is asked of one host at once than DOWNLOADS_PER_HOST says, whichever hosts redirect to it", { timeout: 60_000 }, async () => {
  const late = createLateAnswers();
  const target = await startOrigin(late.answer);
  const redirect: Handler = (_, response, { pathname }) => response.writeHead(302, { location: `${target.url}${pathname}` }).end();
  await runBatch(await Promise.all([1, 2, 3].map(() => startOrigin(redirect))), { DOWNLOADS_PER_HOST: "2" });
  assert.equal(target.hits.size, IMAGES);
  assert.equal(late.most, 2);
});

test("where the line is slow, no more is asked for than comes before its deadline", { timeout: 60_000 }, async () => {
  const line = createSharedLine(12);
  await runBatch(await Promise.all(Array.from({ length: 20 }, () => startOrigin(line.answer))), {}, 400);
  const [first = 0, ...later] = line.askedAt;
  assert.ok(first <= 40, `${first} before the first came`);
  assert.ok(Math.max(...later) <= 200, `asked for by answer: ${later.join(", ")}`);
});

test("answers without a body do not hide that the line is slow", { timeout: 60_000 }, async () => {
  const line = createSlowLine();
  const pathOf = (index: number) => (index % 5 === 0 ? `/large-${index}` : `/missing-${index}`);
  await runBatch(await Promise.all(Array.from({ length: 21 }, () => startOrigin(line.answer))), {}, 2_000, pathOf);
  assert.ok(line.most <= 40, `${line.most} shared the line`);
});

test("an origin is asked for more at once where its answers take no longer then", { timeout: 60_000 }, async () => {
  const far = createPatientOrigin(Infinity, 200);
  await runBatch([await startOrigin(far.answer)], { DOWNLOADS_PER_HOST: "48" }, 400);
  assert.equal(Math.max(...far.asked), 48);
});

test("an origin is not asked for more at once where that only makes its answers late", { timeout: 60_000 }, async () => {
  const busy = createPatientOrigin(8, 50);
  await runBatch([await startOrigin(busy.answer)], { DOWNLOADS_PER_HOST: "1024" }, 600);
  assert.ok(Math.max(...busy.asked) <= 64, `${Math.max(...busy.asked)} at once`);
  const crowded = busy.asked.filter((asked) => asked > 32).length;
  assert.ok(crowded <= 200, `${crowded} answers with more than 32 at once`);
});

test("a batch that begins takes turns with the one whose images wait for the same slow host", { timeout: 60_000 }, async () => {
  const [atOnce, images] = [32, 10];
  const service = await startService({ DATABASE_URL: await createTestDatabase(), DATA_DIR: await createTestFolder(), ENCODERS: "1" });
  const asked: string[] = [];
  const held: (() => void)[] = [];
  let isHolding = true;
  const slow = await startOrigin((_, response, { pathname }) => {
    asked.push(pathname);
    const answer = () => void response.writeHead(404).end();
    if (isHolding) held.push(answer);
    else answer();
  });
  const quick = await startOrigin();
  const upload = (origin: Origin, name: string, count: number) =>
    service.upload(catalogueOf(Array.from({ length: count }, (_, index) => [`${origin.url}${name}${index}.jpg`])));
  const large = await upload(slow, "/large/", 300);
  await eventually("as many as may be", async () => asked.length === atOnce);
  const next = await upload(slow, "/next/", images);
  const last = await upload(quick, "/photo/", 1);
  assert.equal((await service.finished(last.requestId)).progress.completed, 1, "what came before it is in hand as well");
  for (const answer of held.splice(0, 2 * images)) answer();
  await eventually("as many others", async () => asked.length === atOnce + 2 * images);
  assert.equal(asked.filter((path) => path.startsWith("/next/")).length, images);
  isHolding = false;
  for (const answer of held.splice(0)) answer();
  for (const { requestId } of [next, large]) await service.finished(requestId);
});

const REFUSALS: Record<string, Handler> = {
  "answers 503 to the others": (_, response) => response.writeHead(503).end(),
  "resets the others": ({ socket }) => socket.resetAndDestroy(),
};
for (const [refuses, refuse] of Object.entries(REFUSALS)) {
  test(`an origin that serves four at once and ${refuses} is soon asked for no more`, { timeout: 60_000 }, async () => {
    const narrow = createLateAnswers(4, refuse);
    await runBatch([await startOrigin(narrow.answer)], {}, 200);
    assert.ok(narrow.refused <= 60, `${narrow.refused} refused`);
  });
}
