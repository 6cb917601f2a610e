import assert from "node:assert/strict";
import { test } from "node:test";
import { fitDownloads, readFilesMax } from "../../src/wire/fit-downloads.ts";

test("no more is downloaded at once than files may be open, and the log says where that is fewer than was asked for", () => {
  const said: object[] = [];
  const log = { warn: (event: object) => void said.push(event) };
  const fit = (filesMax: number, downloads = 512) => fitDownloads({ downloads, encoders: 2 }, filesMax, log);
  assert.deepEqual([fit(Infinity), fit(20_000), fit(1_024, 436), fit(160, 8)], [512, 512, 436, 8]);
  assert.deepEqual(said, []);
  assert.deepEqual([fit(1_024), fit(160), fit(20)], [436, 8, 8]);
  assert.deepEqual(said, [
    { downloads: 436, filesMax: 1_024 },
    { downloads: 8, filesMax: 160 },
    { downloads: 8, filesMax: 20 },
  ]);
  assert.ok(readFilesMax() > 20);
});
