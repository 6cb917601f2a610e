import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { createHostCensus } from "../../src/intake/host-census.ts";
import type { ReadingOptions } from "../../src/csv/read-catalogue.ts";
import { surveyCatalogue, type Survey } from "../../src/intake/survey-catalogue.ts";
import { surveyInThread } from "../../src/intake/survey-in-thread.ts";
import { createTestFolder } from "../support/folder.ts";
import { DIALECT_FIXTURES } from "../support/dialect-fixtures.ts";
import { DEFAULT_READING } from "../support/csv.ts";
import { seededRandom } from "../support/random.ts";

describe("a survey", () => {
  let folder: string;
  before(async () => {
    folder = await createTestFolder();
  });
  const survey = async (csv: string, reading: Partial<ReadingOptions> = {}, sampleSize = 0): Promise<Survey> => {
    const path = join(folder, "file.csv");
    await writeFile(path, csv);
    return surveyCatalogue(
      { random: seededRandom(1) },
      { path, reading: { ...DEFAULT_READING, ...reading }, sampleSize, now: Date.parse("2026-11-24T12:00:00Z") },
    );
  };

  test("counts what every dialect's file holds", async () => {
    for (const fixture of DIALECT_FIXTURES) {
      const reading: ReadingOptions = { ...DEFAULT_READING, onInvalid: fixture.onInvalid ?? "reject", baseUrl: fixture.baseUrl ?? null };
      const found = await surveyCatalogue(
        { random: Math.random },
        { path: `test/fixtures/dialects/${fixture.file}`, reading, sampleSize: 0, now: 0 },
      );
      assert.deepEqual(
        [found.rows, found.rowsWithoutImage, found.images, found.problemCount],
        [fixture.rows, fixture.rowsWithoutImage, fixture.images, 0],
        fixture.file,
      );
      const counted = found.hosts.reduce((sum, { images }) => sum + images, 0);
      assert.equal(counted + found.imagesInvalid, found.images, fixture.file);
      assert.equal(found.facts?.dialect, fixture.dialect);
    }
  });

  test("goes on past problems, and counts what was read before one that ends the reading", async () => {
    const bad = await survey("id,photo\n1,https://a.example/1.jpg\n2,nowhere\n3,https://b.example/3.jpg\n3,https://b.example/3.jpg#top\n");
    assert.deepEqual([bad.rows, bad.products, bad.images, bad.imagesDistinct, bad.imagesInvalid, bad.problemCount], [4, 3, 4, 2, 1, 1]);
    assert.deepEqual(bad.hosts, [
      { host: "b.example", images: 2, imagesDistinct: 1 },
      { host: "a.example", images: 1, imagesDistinct: 1 },
    ]);
    const open = await survey('id,photo\n1,https://a.example/1.jpg\n2,https://a.example/2.jpg\n3,"https://a.example/3.jpg\n');
    assert.deepEqual([open.rows, open.images, open.problems.map(({ code }) => code)], [2, 2, ["unclosed_quote"]]);
    const skipping = await survey("id,photo\n1,nowhere\n2,https://b.example/3.jpg\n", { onInvalid: "skip" });
    assert.deepEqual([skipping.problemCount, skipping.imagesInvalid], [0, 1]);
  });

  test("points out signed links that end", async () => {
    const { warnings } = await survey("id,photo\n1,https://s3.example/1.jpg?AWSAccessKeyId=k&Expires=1141889120&Signature=x\n");
    assert.deepEqual(
      warnings.map(({ code, line, images }) => [code, line, images]),
      [["links_expired", 2, 1]],
    );
  });

  test("points out those that end where a feed has written their & as &amp;", async () => {
    const { warnings } = await survey("id,photo\n1,https://a.blob.example/1.jpg?sv=2022-11-02&amp;se=2025-04-30&amp;sig=x\n");
    assert.deepEqual(
      warnings.map(({ code, line, images }) => [code, line, images]),
      [["links_expired", 2, 1]],
    );
  });

  test("draws different URLs, some of every host", async () => {
    const rows = Array.from(
      { length: 1_000 },
      (_, index) => `${index},https://${index < 990 ? "large" : `small-${index}`}.example/${index}.jpg`,
    );
    const { sample } = await survey(["id,photo", ...rows, ...rows].join("\n"), {}, 30);
    assert.equal(sample.length, 30);
    assert.equal(new Set(sample).size, 30);
    const hosts = new Set(sample.map((url) => new URL(url).host));
    assert.equal(hosts.size, 11, [...hosts].join(" "));
    assert.deepEqual((await survey("id,photo\n1,https://a.example/1.jpg\n", {}, 30)).sample, ["https://a.example/1.jpg"]);
  });
});

test("a thread that reads for nobody any more ends, and says what went wrong in it", async () => {
  const path = join(await createTestFolder(), "file.csv");
  await writeFile(path, `id,photo\n${"1,https://a.example/1.jpg\n".repeat(500_000)}`);
  const order = { path, reading: DEFAULT_READING, sampleSize: 0, now: 0 };
  const gone = new AbortController();
  const reading = surveyInThread(order, gone.signal);
  gone.abort(new Error("gone"));
  await assert.rejects(reading, /gone/);
  const goesOn = new AbortController().signal;
  assert.equal((await surveyInThread(order, goesOn)).rows, 500_000);
  await assert.rejects(surveyInThread({ ...order, path: `${path}.gone` }, goesOn), { code: "ENOENT" });
});

test("a census counts a thousand hosts on their own and the others together", () => {
  const census = createHostCensus({ sampleSize: 10, random: seededRandom(3) });
  for (let index = 0; index < 5_000; index += 1) census.count(`https://host-${index % 2_500}.example:8443?x=${index}`);
  const { hosts, hostCount, imagesDistinct, elsewhere, sample } = census.result();
  assert.deepEqual([hosts.length, hostCount, imagesDistinct, sample.length], [1_000, 2_500, 5_000, 10]);
  assert.deepEqual(elsewhere, { images: 3_000, imagesDistinct: 3_000 });
  assert.deepEqual(hosts[0], { host: "host-0.example:8443", images: 2, imagesDistinct: 2 });
});
