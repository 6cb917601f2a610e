import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import pg from "pg";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { placeCluster } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { encodersOf, processesNaming } from "../support/processes.ts";
import { startService, type Service } from "../support/service.ts";
import { slowCatalogue, startSlowOrigin } from "../support/slow-catalogue.ts";

const IMAGES = 60;
const DRAIN_SECONDS = 3;

describe("a stop", { concurrency: true }, () => {
  for (const [name, stop] of Object.entries({
    SIGTERM: (service: Service): boolean => process.kill(service.pid, "SIGTERM"),
    "Ctrl-C to the whole process group": (service: Service): boolean => process.kill(-service.pid, "SIGINT"),
  })) {
    test(`${name} in the middle of a batch drains it, counts no failure and leaves no process`, { timeout: 90_000 }, async () => {
      const dataDir = await createTestFolder();
      await placeCluster(dataDir);
      const photo = await makeSamplePhoto({ width: 1200, height: 900, seed: 3, format: "jpeg" });
      const origin = await startSlowOrigin(100, photo);
      const env = { DATA_DIR: dataDir, DOWNLOADS: "4", ENCODERS: "2" };
      const service = await startService({ ...env, DRAIN_SECONDS: String(DRAIN_SECONDS) }, { detached: true });
      const { requestId } = await service.upload(slowCatalogue(origin, IMAGES));
      await eventually("some images", async () => (await service.status(requestId, "?limit=1")).progress.completed >= 10);

      const encoders = encodersOf(service.pid);
      const exited = new Promise<number | null>((resolve) => service.process.once("exit", resolve));
      const stoppedAt = performance.now();
      stop(service);
      const refused = await eventually("balancers to be told", async () => {
        const response = await fetch(`${service.url}/readyz`);
        return response.status === 503 && response;
      });
      assert.deepEqual(await refused.json(), { status: "stopping" });
      assert.equal((await service.status(requestId, "?limit=1")).progress.total, IMAGES, "what still comes is answered");
      assert.equal(await exited, 0, service.output.join("\n"));
      const drainMs = performance.now() - stoppedAt;
      assert.ok(drainMs >= DRAIN_SECONDS * 1_000 && drainMs < 25_000, `${drainMs} ms`);
      assert.deepEqual(processesNaming(dataDir), []);
      await eventually("the encoders to go", async () => encoders.every((pid) => encodersOf(service.pid).includes(pid) === false), 2_000);

      const again = await startService(env);
      const status = await again.finished(requestId);
      assert.equal(status.progress.completed, IMAGES);
      const [, url] = /psql "([^"]+)"/.exec(again.output.join("\n")) ?? [];
      const client = new pg.Client({ connectionString: url ?? "" });
      await client.connect();
      const { rows } = await client.query(
        "select count(*)::int as count, max(attempts)::int as attempts from image left join image_attempt using (batch_id, ordinal)",
      );
      await client.end();
      assert.equal(rows[0]?.attempts, 1, "no image needed a second attempt");
      await again.kill("SIGTERM");
    });
  }

  for (const signal of ["SIGTERM", "SIGHUP", "the death of its wrapper"] as const)
    test(`${signal} in the middle of a start leaves no process either`, async () => {
      const dataDir = await createTestFolder();
      // As bin/newer-node.js does it; whoever else has a channel to a service may close it.
      const wrapper = signal === "the death of its wrapper" ? String(process.pid) : "1";
      const child = spawn(process.execPath, ["bin/pressrun.js", "serve"], {
        env: { PATH: process.env["PATH"] ?? "", PORT: "0", DATA_DIR: dataDir, EMBEDDED_PG_PORT: "0", PRESSRUN_WRAPPER: wrapper },
        stdio: ["ignore", "ignore", "ignore", "ipc"],
      });
      const exited = once(child, "exit");
      await eventually("PostgreSQL to begin", async () => existsSync(join(dataDir, "postgres", "postmaster.pid")));
      child.disconnect();
      if (signal !== "the death of its wrapper") child.kill(signal);
      // A shell and the kernel each say that the terminal is gone.
      if (signal === "SIGHUP") child.kill(signal);
      assert.deepEqual(await exited, [0, null]);
      assert.deepEqual(processesNaming(dataDir), []);
      assert.equal(existsSync(join(dataDir, "postgres", "postmaster.pid")), false);
    });
});
