import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { runInThread } from "../../src/intake/run-in-thread.ts";
import { eventually } from "../support/eventually.ts";
import { createTestFolder } from "../support/folder.ts";

type Task = { fails?: boolean; exits?: boolean; hangs?: boolean };
type Answer = { thread: number; count: number };

/** A thread that says which one it is, and of how many tasks this is its last. */
async function makeEntry(): Promise<URL> {
  const entry = pathToFileURL(join(await createTestFolder(), "entry.ts"));
  await writeFile(
    entry,
    `
    import { threadId } from "node:worker_threads";
    import { answerFromThread } from ${JSON.stringify(new URL("../../src/intake/run-in-thread.ts", import.meta.url).href)};
    let count = 0;
    answerFromThread(async ({ fails, exits, hangs }) => {
      count += 1;
      if (exits) process.exit(3);
      if (hangs) await new Promise(() => {});
      if (fails) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
      return { thread: threadId, count };
    });`,
  );
  return entry;
}

/** Threads of this process that run JavaScript beside the main one, by the name that Node gives them. */
async function countThreads(): Promise<number> {
  const ids = await readdir("/proc/self/task");
  const names = await Promise.all(ids.map((id) => readFile(`/proc/self/task/${id}/comm`, "utf8").catch(() => "")));
  return names.filter((name) => name.startsWith("WorkerThread")).length;
}

test("one file after another is read by the same thread, after an error too", async () => {
  const entry = await makeEntry();
  const run = (task: Task) => runInThread<Task, Answer>(entry, task);
  const first = await run({});
  await assert.rejects(run({ fails: true }), { message: "no such file", code: "ENOENT" });
  assert.deepEqual(await run({}), { thread: first.thread, count: 3 });
});

test(
  "files that come at once have a thread each, of which one is kept",
  { skip: process.platform !== "linux" && "threads are counted in /proc" },
  async () => {
    const before = await countThreads();
    const entry = await makeEntry();
    const run = () => runInThread<Task, Answer>(entry, {});
    const [one, other] = await Promise.all([run(), run()]);
    assert.notEqual(one.thread, other.thread);
    const next = await run();
    assert.ok([one.thread, other.thread].includes(next.thread));
    assert.equal(next.count, 2);
    await eventually("the other to end", async () => (await countThreads()) === before + 1, 5_000);
  },
);

test("a thread that ends, or is given up, is never used again", async () => {
  const entry = await makeEntry();
  const run = (task: Task, signal?: AbortSignal) => runInThread<Task, Answer>(entry, task, signal);
  const first = await run({});
  await assert.rejects(run({ exits: true }), /ended with 3 before it answered/);
  const second = await run({});
  assert.notEqual(second.thread, first.thread);
  const gone = new AbortController();
  const hanging = run({ hangs: true }, gone.signal);
  gone.abort(new Error("nobody waits"));
  await assert.rejects(hanging, /nobody waits/);
  const third = await run({});
  assert.notEqual(third.thread, second.thread);
  assert.equal(third.count, 1);
});

test("a thread that is idle for half a minute is ended", async ({ mock }) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const entry = await makeEntry();
  const run = () => runInThread<Task, Answer>(entry, {});
  const first = await run();
  mock.timers.tick(29_999);
  assert.equal((await run()).thread, first.thread);
  mock.timers.tick(29_999);
  assert.equal((await run()).thread, first.thread);
  mock.timers.tick(30_000);
  assert.notEqual((await run()).thread, first.thread);
});
