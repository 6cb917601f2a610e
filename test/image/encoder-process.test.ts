import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { startEncoderProcess } from "../../src/image/encoder-process.ts";

test("an encoder's memory is told in bytes, as its own map has it, whatever the size of pages", { timeout: 30_000 }, async () => {
  const ready = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<string>();
  const encoder = startEncoderProcess({ allowSvg: false }, { reply: () => ready.resolve(), exit: gone.resolve });
  try {
    await Promise.race([ready.promise, gone.promise]);
    const told = (await encoder.residentBytes()) ?? 0;
    const [, kB] = /^Rss:\s+(\d+) kB$/m.exec(await readFile(`/proc/${encoder.pid}/smaps_rollup`, "utf8")) ?? [];
    const seen = Number(kB) * 1024;
    assert.ok(seen > 0 && told > seen / 1.5 && told < seen * 1.5, `${told} of ${seen}`);
  } finally {
    encoder.kill();
  }
  await gone.promise;
  assert.equal(await encoder.residentBytes(), null, "of one that has ended there is nothing to tell");
});

const hasChrt = ["/usr/bin/chrt", "/bin/chrt"].some((path) => existsSync(path));

test("an encoder stands behind all else, and its threads do not interrupt each other", { timeout: 30_000, skip: !hasChrt }, async () => {
  const ready = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<string>();
  const encoder = startEncoderProcess({ allowSvg: false }, { reply: () => ready.resolve(), exit: gone.resolve });
  try {
    await Promise.race([ready.promise, gone.promise]);
    const stat = await readFile(`/proc/${encoder.pid}/stat`, "utf8");
    // proc_pid_stat(5), counted from the third: the name in the second can hold blanks.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    assert.deepEqual({ niceness: fields[16], policy: fields[38] }, { niceness: "10", policy: "3" });
  } finally {
    encoder.kill();
  }
  await gone.promise;
});
