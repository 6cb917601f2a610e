import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { assertSameOutput } from "./commands/same-output.ts";

const NAMES = { folder: "/tmp/reader", replaced: [["https://shop.example", "http://127.0.0.1:4711"]] as [string, string][] };
const [ID, OTHER_ID] = ["01a21017-e620-7989-886e-75b5a7d00257", "01a20bc5-4059-7414-9d7b-86eb50374267"];

const SAME = [
  [`requestId ${ID} at 2026-11-25T00:25:31.997Z`, `requestId ${OTHER_ID} at 2026-11-24T20:00:01.000Z`],
  ["http://127.0.0.1:4711/a.jpg in /tmp/reader/out", "https://shop.example/a.jpg in /home/you/shop/out"],
  ["Time        1.2 s, 35 images/s", "Time        16 s, 7.8 images/s"],
  ['{"input":30470,"output":8478}', '{"input":1,"output":2}'],
  ['{"status":"completed","run":1,"products":[]}', '{"status":"completed",…}'],
  ["one\ntwo\nthree\n", "one\n…\nthree"],
  [
    "  0 %  0/41 images, 0 failed\n 53 %  22/41 images, 1 failed (not_found 1), 34 images/s, 0.6 s left\n100 %  41/41 images, 2 failed\ndone",
    " 24 %  10/41 images, 0 failed\n100 %  41/41 images, 2 failed (not_found 2), 39 images/s\ndone",
  ],
] as const;

const DIFFERENT = [
  ["39 of 41 done, 2 failed", "38 of 41 done, 2 failed"],
  ['{"status":"completed"}', '{"status":"failed"}'],
  ['{"total":3,"completed":2}', '{"total":3,"completed":3}'],
  ["one\ntwo", "one"],
  ["one", "one\ntwo"],
  ["one\nthree\n", "one…three"],
  ["http://127.0.0.1:4711/a.jpg", "https://shop.example/b.jpg"],
  ["100 %  41/41 images, 2 failed", "100 %  41/41 images, 3 failed"],
  ["100 %  41/41 images, 2 failed", "100 %  40/40 images, 2 failed"],
  ["done", " 53 %  10/41 images, 0 failed\ndone"],
  ["line 3: not_found.", "line 3: not_found!"],
  ["a.b", "axb"],
] as const;

describe("what a page shows", () => {
  for (const [came, shown] of SAME)
    test(`is true where only what varies differs: ${JSON.stringify(shown)}`, () => assertSameOutput(came, shown, NAMES, "page"));
  for (const [came, shown] of DIFFERENT)
    test(`is not true where anything else does: ${JSON.stringify([came, shown])}`, () =>
      assert.throws(() => assertSameOutput(came, shown, NAMES, "page")));
});
