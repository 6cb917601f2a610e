import assert from "node:assert/strict";
import { once } from "node:events";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { placeCluster } from "../support/cluster.ts";
import { runCommand, startCommand } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";
import { catalogueOf, startOrigin } from "../support/origin.ts";
import { processesNaming } from "../support/processes.ts";

const IMAGES = 60;

test(
  "Ctrl-C and kills stop a run; the same command goes on, and loses and repeats nothing that was settled",
  { timeout: 90_000 },
  async () => {
    const folder = await createTestFolder();
    const photo = await makeSamplePhoto({ width: 320, height: 240, seed: 3, format: "jpeg" });
    /** So many requests are answered; the others wait. */
    let answers = 20;
    const waiting: (() => void)[] = [];
    const answerMore = (count: number) => {
      answers += count;
      while (answers > 0 && waiting.length > 0) {
        answers -= 1;
        waiting.shift()?.();
      }
    };
    const origin = await startOrigin((_, response) => {
      waiting.push(() => response.setHeader("content-type", "image/jpeg").end(photo));
      answerMore(0);
    });
    const asked = () => [...origin.hits.values()].reduce((sum, count) => sum + count, 0);
    const file = join(folder, "products.csv");
    await writeFile(file, catalogueOf(Array.from({ length: IMAGES }, (_, index) => [`${origin.url}/slow/${index}.jpg`])));
    const out = join(folder, "out");
    await placeCluster(join(out, ".pressrun"));
    const words = ["process", file, "--out", out];
    const env = { DOWNLOADS: "4", ENCODERS: "1" };

    const first = startCommand([...words, "--json"], env);
    await eventually("requests that wait", async () => answers === 0 && waiting.length > 0, 20_000);
    const second = await runCommand(words, env);
    assert.deepEqual([second.code, second.stdout], [2, ""]);
    assert.match(second.stderr, /Another process works on .+out at this moment/);
    first.process.kill("SIGINT");
    const interrupted = await first.ended;
    assert.equal(interrupted.code, 130, interrupted.stderr);
    assert.equal((JSON.parse(interrupted.stdout) as { outcome: string }).outcome, "interrupted");
    assert.match(interrupted.stderr, /Stopped\. The same command goes on where it was\.\n$/);
    assert.deepEqual(processesNaming(out), []);
    assert.deepEqual(await readdir(out), [".pressrun"]);

    const changed = await runCommand([...words, "--quality", "30"], env);
    assert.equal(changed.code, 2);
    assert.match(
      changed.stderr,
      /holds an unfinished run that differs in quality \(80 there, 30 here\)\. Choose another --out, let that one end first/,
    );

    // Killed, it can stop nothing: its database runs on, until the next run takes it over.
    waiting.length = 0;
    const killed = startCommand(words, env);
    answerMore(15);
    await eventually("more that wait", async () => answers === 0 && waiting.length > 0, 20_000);
    killed.process.kill("SIGKILL");
    await killed.ended;

    // At a second signal it waits for nothing: its database ends by itself, and whoever comes meanwhile starts another.
    waiting.length = 0;
    const hurried = startCommand(words, env);
    answerMore(1);
    await eventually("one that waits", async () => waiting.length > 0, 20_000);
    for (const signal of ["SIGINT", "SIGTERM"] as const) hurried.process.kill(signal);
    assert.doesNotMatch((await hurried.ended).stderr, /Stopped/);
    await eventually("its database to end", async () => processesNaming(out).length === 0);

    waiting.length = 0;
    const before = asked();
    answerMore(Infinity);
    const last = await runCommand([...words, "--json"], env);
    assert.equal(last.code, 0, last.stderr);
    const { images } = JSON.parse(last.stdout) as { images: { done: number; settledBefore: number } };
    assert.equal(images.done, IMAGES);
    assert.ok(images.settledBefore >= 20, `${images.settledBefore} were settled before`);
    assert.equal(asked() - before, IMAGES - images.settledBefore, "what was settled is not asked for again");
    assert.equal((await readdir(join(out, "images"))).length, IMAGES);
    assert.deepEqual(processesNaming(out), []);

    // Whoever reads may leave (`| head`): the run goes on to its end.
    const { process: unread } = startCommand([...words, "--again"], env);
    unread.stdout?.destroy();
    unread.stderr?.destroy();
    assert.deepEqual(await once(unread, "exit"), [0, null]);
    assert.equal((await readdir(join(out, "images"))).length, IMAGES);
    assert.deepEqual(processesNaming(out), []);
  },
);
