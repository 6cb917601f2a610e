import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { createTestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { startService } from "../support/service.ts";

/** Node whose minutes take a tenth of a second, for what comes once a minute. */
const SHORT_MINUTES = `const real = setInterval;
  globalThis.setInterval = (run, ms, ...given) => real(run, ms === 60_000 ? 100 : ms, ...given);`;
const shortly = {
  command: [process.execPath, "--import", `data:text/javascript,${encodeURIComponent(SHORT_MINUTES)}`, "bin/pressrun.js", "serve"] as const,
};

describe("after a kill -9", { concurrency: true }, () => {
  for (const role of ["api", "worker"])
    test(
      `kill -9 of a worker: a process of ROLE=${role} beside it removes its temporary files, and nobody else's`,
      { timeout: 90_000 },
      async () => {
        const photo = await makeSamplePhoto({ width: 320, height: 240, seed: 3, format: "jpeg" });
        let isHolding = true;
        const origin = await startOrigin((_, response) => {
          // More than is gathered before it is written, and no end.
          if (isHolding) response.write(Buffer.concat([photo, Buffer.alloc(512 * 1024)]));
          else response.end(photo);
        });
        const dataDir = await createTestFolder();
        const env = { DATABASE_URL: await createTestDatabase(), DATA_DIR: dataDir, ENCODERS: "1" };
        const folders = async () =>
          (await readdir(join(dataDir, "uploads", "temp"))).map((name) => [Number(name.split(".").at(-2)), name] as const);
        const filesOf = async (pid: number) => {
          const [, name] = (await folders()).find(([found]) => found === pid) ?? [];
          // It may go between the two looks.
          return name === undefined ? null : readdir(join(dataDir, "uploads", "temp", name)).catch(() => null);
        };

        const api = await startService({ ...env, ROLE: "api" }, role === "api" ? shortly : {});
        const doomed = await startService({ ...env, ROLE: "worker" });
        const { requestId } = await api.upload(catalogueOf([[1, 2, 3, 4].map((name) => `${origin.url}/held/${name}.jpg`)]));
        await eventually("half of its inputs", async () => (await filesOf(doomed.pid))?.length === 4);
        const other = await startService({ ...env, ROLE: "worker" }, role === "worker" ? shortly : {});
        isHolding = false;
        await doomed.kill("SIGKILL");
        await eventually("its files to go", async () => (await filesOf(doomed.pid)) === null, 10_000);
        assert.deepEqual((await folders()).map(([pid]) => pid).toSorted(), [api.pid, other.pid].toSorted());

        assert.equal((await api.finished(requestId)).progress.completed, 4);
        for (const service of [other, api]) {
          assert.equal((await service.kill("SIGTERM")).code, 0);
          assert.deepEqual(
            service.output.filter((line) => line.includes("temporary")),
            [],
          );
        }
        assert.deepEqual(await folders(), []);
      },
    );
});
