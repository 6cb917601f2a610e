import assert from "node:assert/strict";
import { test } from "node:test";
import { INPUT_FILES, inputExtension } from "../../src/domain/image/input-format.ts";

test("an input that is linked from an earlier batch has the extension that it was kept under", () => {
  for (const { mediaType, extension } of Object.values(INPUT_FILES)) assert.equal(inputExtension(mediaType), extension);
  assert.deepEqual([inputExtension(null), inputExtension("image/x-other")], ["bin", "bin"]);
});
