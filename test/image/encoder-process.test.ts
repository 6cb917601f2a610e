import assert from "node:assert/strict";
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
