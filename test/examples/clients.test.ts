import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import type { ServerResponse } from "node:http";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createTestDatabase } from "../support/database.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin, type Origin } from "../support/origin.ts";
import { startService, type Service } from "../support/service.ts";

const EXAMPLES = fileURLToPath(new URL("../../examples", import.meta.url));
const CLIENTS = [
  ["curl", "sh", join(EXAMPLES, "curl/process.sh")],
  ["typescript", process.execPath, join(EXAMPLES, "typescript/process.ts")],
  ["python", "python3", join(EXAMPLES, "python/process.py")],
] as const;
const KEY = "a-key-of-the-test";

describe("examples", { concurrency: 4 }, () => {
  let service: Service;
  let origin: Origin;
  let other: Origin;
  /** Requests that the test answers, by their path. */
  const kept = new Map<string, PromiseWithResolvers<ServerResponse>>();
  before(async () => {
    // Below /never nothing is ever answered.
    [origin, other] = (await Promise.all(
      [1, 2].map(() =>
        startOrigin((_, response, url) => {
          const asked = kept.get(url.pathname);
          if (asked) asked.resolve(response);
          else if (!url.pathname.startsWith("/never/")) response.writeHead(404).end();
        }),
      ),
    )) as [Origin, Origin];
    service = await startService({ DATABASE_URL: await createTestDatabase(), DATA_DIR: await createTestFolder(), API_KEYS: KEY });
  });

  for (const [name, program, script] of CLIENTS) {
    const folderOf = createTestFolder();
    type Ended = { code: number; stdout: string; stderr: string };
    const run = async (
      file: string,
      csv: string | null,
      env: Record<string, string> = {},
      onStderr: (text: string) => void = () => {},
    ): Promise<Ended & { results: string }> => {
      const folder = await folderOf;
      const path = join(folder, file);
      if (csv !== null) await writeFile(path, csv);
      const ended = await new Promise<Ended>((resolve) => {
        execFile(
          program,
          [script, path, `${path}.results`],
          { cwd: folder, timeout: 60_000, env: { PATH: process.env["PATH"] ?? "", BASE_URL: service.url, API_KEY: KEY, ...env } },
          (error, stdout, stderr) => {
            resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
          },
        ).stderr?.on("data", (text) => onStderr(String(text)));
      });
      return { ...ended, results: await readFile(`${path}.results`, "utf8").catch(() => "") };
    };

    test(`examples/${name} uploads, waits and downloads the results`, async () => {
      const { code, stdout, stderr, results } = await run(
        "good.csv",
        catalogueOf([[`${origin.url}/photo/1.jpg`], [`${origin.url}/photo/2.jpg`]]),
        { OPTIONS: "format=webp&quality=70" },
      );
      assert.equal(code, 0, stderr);
      assert.match(stderr, /^accepted: 2 products with 2 images, http/);
      assert.match(stderr, /^100 %$/m);
      assert.match(stdout, /^completed: 2 images completed, 0 failed; see .+good\.csv\.results$/m);
      assert.match(results, /Output Image Urls.+\n1,Product 1,.+\/1-1\.webp,completed,/);
    });

    test(`examples/${name} ends with 1 where images failed, and still brings the results`, async () => {
      const { code, stdout, results } = await run("gone.csv", catalogueOf([[`${origin.url}/photo/1.jpg`], [`${origin.url}/gone.jpg`]]));
      assert.equal(code, 1);
      assert.match(stdout, /^completed: 1 images completed, 1 failed/m);
      assert.match(results, /not_found/);
    });

    test(`examples/${name} says what is wrong with a refused file, and where`, async () => {
      const { code, stdout, stderr, results } = await run("bad.csv", `${catalogueOf([["nowhere"]])}`);
      assert.equal(code, 2);
      assert.match(stderr, /refused .*invalid_csv.*: The CSV has 1 problem; it is listed in `errors`\. Nothing was stored\./);
      assert.match(stderr, /Expected an absolute http or https URL, got "nowhere"/);
      assert.deepEqual([stdout, results], ["", ""]);
    });

    test(`examples/${name} says that the key is wrong`, async () => {
      const { code, stderr } = await run("key.csv", catalogueOf([[`${origin.url}/photo/1.jpg`]]), { API_KEY: "wrong" });
      assert.equal(code, 2);
      assert.match(stderr, /unauthorized.*Expected the header `Authorization: Bearer KEY`/);
    });

    test(`examples/${name} does not wait for a paused batch, and says why it is paused`, async () => {
      const urls = Array.from({ length: 60 }, (_, index) => [`${origin.url}/${index < 30 ? "gone" : "never"}/${name}-${index}.jpg`]);
      const { code, stderr } = await run("paused.csv", catalogueOf(urls), { OPTIONS: "pauseAtFailurePercent=10" });
      assert.equal(code, 3, stderr);
      assert.match(stderr, /^paused: .+ images failed .+\/resume$/m);
    });

    test(`examples/${name} goes on waiting while one host is paused and others are not`, async () => {
      const last = Promise.withResolvers<ServerResponse>();
      kept.set(`/kept/${name}.jpg`, last);
      const urls = Array.from({ length: 60 }, (_, index) => [`${other.url}/${index < 30 ? "gone" : "never"}/${name}-${index}.jpg`]);
      const { code, stderr } = await run(
        "host.csv",
        catalogueOf([[`${origin.url}/kept/${name}.jpg`], ...urls]),
        { OPTIONS: "pauseHostAtFailurePercent=10" },
        // Once 20 of the 61 are settled the host is paused: the client has just been told of it.
        (text) => {
          if (/^(3[2-9]|4\d) %$/m.test(text)) void last.promise.then((response) => response.headersSent || response.writeHead(404).end());
        },
      );
      assert.equal(code, 3, stderr);
      assert.match(stderr, /^paused: Nothing is left to try but \d+ images of .+\/resume$/m);
    });

    test(`examples/${name} does not wait longer than it may`, async () => {
      const { code, stderr } = await run("slow.csv", catalogueOf([[`${origin.url}/never/${name}.jpg`]]), { TIMEOUT_SECONDS: "0" });
      assert.equal(code, 3);
      assert.match(stderr, /^not ended in time; it goes on, look at http/m);
    });

    test(`examples/${name} says that a file is not there`, async () => {
      const { code, stderr } = await run("missing.csv", null);
      assert.equal(code, 2);
      assert.match(stderr, /missing\.csv/);
    });

    test(`examples/${name} takes a file whatever its name`, async () => {
      const { code, stderr } = await run('mugs, "cups";type=1 \\.csv', catalogueOf([[`${origin.url}/photo/1.jpg`]]));
      assert.equal(code, 0, stderr);
    });

    test(`examples/${name} ends with 2 where the file is a folder, or results cannot be written`, async () => {
      await mkdir(join(await folderOf, "folder.csv"));
      const folder = await run("folder.csv", null);
      assert.equal(folder.code, 2, folder.stderr);
      assert.match(folder.stderr, /folder\.csv/);
      await mkdir(join(await folderOf, "kept.csv.results"));
      const { code, stdout, stderr } = await run("kept.csv", catalogueOf([[`${origin.url}/photo/1.jpg`]]));
      assert.deepEqual([code, stdout], [2, ""], stderr);
      assert.match(stderr, /kept\.csv\.results/);
    });
  }
});
