import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { rename } from "node:fs/promises";
import { request, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import sharp from "sharp";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { filesOpenIn } from "../support/processes.ts";
import { startService } from "../support/service.ts";

const SIDE = 2_000;
const IMAGES = 4;

describe("the archive", { skip: process.platform === "linux" ? false : "only /proc tells which files a process has open" }, () => {
  test("leaves no file open where its download is broken off, or where only its headers are asked for, and a stop tells HTTP/1.0 of a part", async () => {
    // Noise: outputs of some 5 MB, which the buffers of a connection do not swallow whole.
    const noise = await sharp(randomBytes(SIDE * SIDE * 3), { raw: { width: SIDE, height: SIDE, channels: 3 } })
      .jpeg({ quality: 95 })
      .toBuffer();
    const origin = await startOrigin((_, response) => response.setHeader("content-type", "image/jpeg").end(noise));
    const dataDir = await createTestFolder();
    const service = await startService({ DATABASE_URL: await createTestDatabase(), DATA_DIR: dataDir });
    const urls = Array.from({ length: IMAGES }, (_, n) => `${origin.url}/${n}.jpg`);
    const { requestId, outputCsvUrl } = await service.upload(catalogueOf([urls]), { format: "jpeg", quality: "95" });
    await service.finished(requestId);
    const url = new URL("archive.zip", outputCsvUrl);
    const open = () => filesOpenIn(service.pid, `${dataDir}/uploads/outputImages/`);

    const responses = await Promise.all(Array.from({ length: 10 }, () => begin(url)));
    await eventually("files that wait for their readers", async () => open().length === responses.length);
    for (const response of responses) response.destroy();
    await eventually(`no open file, of ${open().length}`, async () => open().length === 0);

    for (let count = 0; count < 10; count++) assert.equal((await fetch(url, { method: "HEAD" })).status, 200);
    assert.deepEqual(open(), []);

    const whole = await (await fetch(url)).arrayBuffer();
    assert.ok(whole.byteLength > IMAGES * 2_000_000, `the archive has ${whole.byteLength} bytes`);
    await eventually("no open file after a whole download", async () => open().length === 0);

    const isTold = () => service.output.some((line) => line.includes("a download broke off") && line.includes("1-3.jpg"));
    assert.ok(!isTold(), "clients that go away are nothing to tell of");
    const shard = join(dataDir, "uploads", "outputImages", requestId, "00000");
    await rename(join(shard, "1-3.jpg"), join(shard, "elsewhere.jpg"));
    await assert.rejects(async () => (await fetch(url)).arrayBuffer(), "nobody takes a part for the whole");
    await eventually("the log to say which file is missing", async () => isTold());

    await rename(join(shard, "elsewhere.jpg"), join(shard, "1-3.jpg"));
    const asked = connect(Number(url.port), url.hostname);
    asked.write(`GET ${url.pathname} HTTP/1.0\r\nhost: ${url.host}\r\n\r\n`);
    await eventually("an open file", async () => open().length > 0);
    const stopped = service.kill("SIGTERM");
    const broken = assert.rejects(once(asked, "end"), { code: "ECONNRESET" }, "to HTTP/1.0 a clean end would be that of the archive");
    assert.equal((await stopped).code, 0);
    asked.resume();
    await broken;
    const isStopTold = () => service.output.some((line) => line.includes("a download broke off") && line.includes("the service stopped"));
    await eventually("the log to say that the stop cut it", async () => isStopTold());
  });
});

/** Up to its headers: the body stands still until somebody reads it. */
async function begin(url: URL): Promise<IncomingMessage> {
  const asked = request(url, { agent: false }).end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  assert.equal(response.statusCode, 200);
  return response;
}
