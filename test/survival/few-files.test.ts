import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { connectDatabase } from "../../src/db/connection/connect.ts";
import { createServer, type HttpDeps } from "../../src/http/server.ts";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { onCleanup } from "../support/cleanup.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { startService } from "../support/service.ts";

const IMAGES = 40;
const MESSAGE = "no further file or connection can be opened: raise the limit of open files, or lower DOWNLOADS";

/** Sets how many files a process may have open from now on; what it has open stays. */
const limitFiles = (pid: number, files: string) => spawnSync("prlimit", ["--pid", String(pid), `--nofile=${files}`]).status === 0;
const canLimit = spawnSync("prlimit", ["--version"]).status === 0;

test(
  "where no further file can be opened, images wait without the loss of an attempt, and it is said calmly",
  { timeout: 60_000, skip: canLimit ? false : "prlimit is of Linux" },
  async () => {
    const photo = await makeSamplePhoto({ width: 320, height: 240, seed: 3, format: "jpeg" });
    let isFirst = true;
    const origin = await startOrigin((_, response) => {
      // Below what it has open: neither the file of this body nor a connection to another host can be opened.
      if (isFirst) assert.ok(limitFiles(service.pid, "10:"));
      isFirst = false;
      response.end(photo);
    });
    const databaseUrl = await createTestDatabase();
    const service = await startService({
      DATABASE_URL: databaseUrl,
      DATA_DIR: await createTestFolder(),
      ENCODERS: "1",
      DOWNLOADS: "8",
      LOG_LEVEL: "debug",
    });
    // Later by its name as well: what looks names up says then that there is no such name.
    const named = origin.url.replace("127.0.0.1", "localhost");
    const urls = Array.from({ length: IMAGES }, (_, index) => [`${index < 8 ? origin.url : named}/${index}.jpg`]);
    const { requestId } = await service.upload(catalogueOf(urls));

    const said = () => service.output.filter((line) => line.includes(MESSAGE));
    await eventually("the warning", async () => said().length > 0);
    const isTried = (line: string) =>
      line.includes('"image"') && line.includes('"host":"localhost:') && line.includes('"outcome":"release"');
    await eventually("one that was asked for by name to be given back", async () => service.output.some(isTried));
    const db = connectDatabase({ url: databaseUrl, poolMax: 1, onError: () => {} });
    onCleanup(() => db.close());
    assert.ok(limitFiles(service.pid, "1000:"));
    const { progress } = await service.finished(requestId);
    assert.deepEqual([progress.completed, progress.failed], [IMAGES, 0]);
    assert.deepEqual((await db.executor.executeSql("select * from host_pause")).rows, []);
    assert.deepEqual((await db.executor.executeSql("select max(attempts) as attempts from image")).rows, [{ attempts: 1 }]);
    assert.equal(said().length, 1, said().join("\n"));
    assert.doesNotMatch(said()[0] ?? "", /stack/);
    await service.kill("SIGTERM");
  },
);

/** The answer to a request that fails by such an error, and what is logged of it. */
async function answerTo(facts: object) {
  const warned: string[] = [];
  const app = await createServer({
    settings: { auth: "none", apiKeys: [], publicUrl: () => "http://127.0.0.1", uploadBytesMax: 10_000, uploadMs: 10_000, version: "0" },
    findBatch: () => Promise.reject(Object.assign(new Error("too many"), facts)),
    isUnavailable: () => false,
    log: { debug: () => {}, info: assert.fail, warn: (_, event) => warned.push(event), error: assert.fail },
  } as Partial<HttpDeps> as HttpDeps);
  onCleanup(() => app.close());
  const answer = await app.inject({ url: "/v1/batches/0198f2c4-7d1e-7000-8000-000000000000" });
  return { answer, warned };
}

test("a request for which no file can be opened gets a 503, and the log says what is lacking", async () => {
  const { answer, warned } = await answerTo({ code: "EMFILE", syscall: "open" });
  assert.deepEqual([answer.statusCode, answer.headers["retry-after"]], [503, "5"], answer.body);
  assert.match(answer.body, /as many files open as it may/);
  assert.deepEqual(warned, [MESSAGE]);
});

test("a request for which no thread can be started gets one as well", async () => {
  const { answer, warned } = await answerTo({ code: "ERR_WORKER_INIT_FAILED" });
  assert.deepEqual([answer.statusCode, answer.headers["retry-after"]], [503, "5"], answer.body);
  assert.match(answer.body, /no further thread/);
  assert.deepEqual(warned, ["no further thread can be started: raise the limit of processes or of memory"]);
});
