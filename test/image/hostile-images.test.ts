import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import sharp from "sharp";
import type { BatchStatusView } from "../../src/contract/status.ts";
import { createTestDatabase } from "../support/database.ts";
import { createTestFolder } from "../support/folder.ts";
import { flatJpeg } from "../support/hostile-files.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { encodersOf } from "../support/processes.ts";
import { startService, type Service } from "../support/service.ts";
import { makeBombs, type Bomb } from "./bombs.ts";

const MEMORY_MB = 512;

/** The real service, one batch of all of them, good photographs between. */
describe("a catalogue of hostile images", { timeout: 180_000 }, () => {
  let bombs: Bomb[];
  let service: Service;
  let status: BatchStatusView;
  let dataDir: string;
  let peakMb = 0;

  before(async () => {
    bombs = await makeBombs();
    dataDir = await createTestFolder();
    const origin = await startOrigin((_, response, url) => {
      const bomb = bombs[Number(url.pathname.slice(1))];
      if (bomb) response.end(bomb[1]);
      else response.writeHead(404).end();
    });
    service = await startService({
      DATABASE_URL: await createTestDatabase(),
      DATA_DIR: dataDir,
      ENCODER_MEMORY_MB: String(MEMORY_MB),
      ENCODERS: "2",
    });
    const watch = setInterval(async () => (peakMb = Math.max(peakMb, await peakOf(encodersOf(service.pid)))), 20);
    const accepted = await service.upload(
      catalogueOf(bombs.map((_, index) => [`${origin.url}/${index}`, `${origin.url}/photo/${index}.jpg`])),
    );
    status = await service.finished(accepted.requestId, 120_000);
    clearInterval(watch);
  });

  test("ends, each image with its own code", () => {
    assert.equal(status.status, "completed");
    const ends = Object.fromEntries(status.products.map(({ errors: [error] }, index) => [bombs[index]?.[0], error?.code ?? "done"]));
    assert.deepEqual(ends, Object.fromEntries(bombs.map(([name, , end]) => [name, end])));
  });

  test("leaves every good photograph beside them as it is", () => {
    assert.equal(status.products.length, bombs.length);
    for (const { outputImageUrls, errors } of status.products) assert.ok(outputImageUrls[1] !== null && errors[1] === null);
  });

  test("says what would help where memory was the reason, and what a HEIC is", () => {
    const detail = (name: string) => status.products[bombs.findIndex(([other]) => other === name)]?.errors[0]?.message ?? "";
    assert.match(
      detail("an interlaced PNG at the limit"),
      /interlaced PNG to JPEG, an encoder's 512 MB hold 9\d\.\d megapixels.*ENCODER_MEMORY_MB to \d+ or more/,
    );
    assert.match(detail("a HEIC"), /HEIC photograph, which needs a patented decoder/);
    assert.match(detail("an SVG"), /ALLOW_SVG/);
    assert.match(detail("a JPEG of 880 scans"), /more than 25 scans/);
  });

  test("kept every encoder under its memory, and lost none", () => {
    assert.ok(peakMb > 100, `the peaks were not seen (${peakMb} MB)`);
    assert.ok(peakMb < MEMORY_MB, `an encoder took ${peakMb} MB`);
    assert.deepEqual(
      service.output.filter((line) => line.includes("an encoder ended")),
      [],
    );
  });

  test("leaves no file but inputs and outputs of what is done, and the one that names the folder", async () => {
    const files = (await readdir(dataDir, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    const done = bombs.filter(([, , end]) => end === "done").length + bombs.length;
    const countIn = (folder: string) => files.filter((file) => file.includes(`/uploads/${folder}/`)).length;
    assert.deepEqual([countIn("inputImages"), countIn("outputImages")], [done, done]);
    assert.deepEqual(
      files.filter((file) => !/\/uploads\/(inputImages|outputImages|inputCsvFiles|outputCsvFiles)\//.test(file)),
      [join(dataDir, "folder-id")],
    );
  });

  test("takes the next batch as if nothing had been", async () => {
    const origin = await startOrigin();
    const accepted = await service.upload(catalogueOf([[`${origin.url}/photo/1.jpg`]]));
    assert.equal((await service.finished(accepted.requestId)).outcome, "all");
  });

  test("shows the colours of ink as they are meant, whoever wrote the JPEG", async () => {
    const [red, black, white] = [
      [200, 0, 0],
      [0, 0, 0],
      [255, 255, 255],
    ] as const;
    // How much ink is missing, as such (0) or as light and colour (2); without Adobe's marker taken as browsers take it.
    const cases: [string, Buffer, readonly [number, number, number]][] = [
      ["adobe-red", flatJpeg([255, 0, 0, 255], 0), red],
      ["adobe-black", flatJpeg([255, 255, 255, 0], 0), black],
      ["adobe-white", flatJpeg([255, 255, 255, 255], 0), white],
      ["ycck-red", flatJpeg([179, 171, 0, 255], 2), red],
      ["ycck-black", flatJpeg([0, 128, 128, 0], 2), black],
      ["ycck-white", flatJpeg([0, 128, 128, 255], 2), white],
      ["plain-red", flatJpeg([255, 0, 0, 255]), red],
      ["plain-black", flatJpeg([255, 255, 255, 0]), black],
      ["plain-white", flatJpeg([255, 255, 255, 255]), white],
    ];
    const origin = await startOrigin((_, response, url) => response.end(cases.find(([name]) => url.pathname === `/${name}`)?.[1]));
    const accepted = await service.upload(catalogueOf(cases.map(([name]) => [`${origin.url}/${name}`])), { quality: "95" });
    const { products } = await service.finished(accepted.requestId);
    for (const [index, [name, , expected]] of cases.entries()) {
      const response = await fetch(products[index]?.outputImageUrls[0] ?? "");
      const [r = 0, g = 0, b = 0] = await sharp(Buffer.from(await response.arrayBuffer()))
        .raw()
        .toBuffer();
      assert.ok(Math.max(...[r, g, b].map((value, at) => Math.abs(value - (expected[at] ?? 0)))) < 60, `${name} is ${r} ${g} ${b}`);
    }
  });
});

async function peakOf(pids: number[]): Promise<number> {
  const peaks = pids.map(async (pid) => {
    const text = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
    return Number(/VmHWM:\s+(\d+)/.exec(text)?.[1] ?? 0) / 1024;
  });
  return Math.max(0, ...(await Promise.all(peaks)));
}
