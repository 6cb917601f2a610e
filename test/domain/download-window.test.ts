import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createDownloadWindow } from "../../src/domain/download-window.ts";

describe("the download window", () => {
  test("stays within its bounds, widens for idle encoders and narrows for a backlog", () => {
    fc.assert(fc.property(fc.array(fc.option(fc.nat(30), { nil: null })), (events) => {
      const window = createDownloadWindow({ min: 8, max: 100, backlogMax: 4 });
      for (const event of events) {
        const before = window.size;
        if (event === null) window.onStarved();
        else window.onFetched(event);
        assert.ok(window.size >= 8 && window.size <= 100);
        assert.ok(event === null ? window.size >= before : window.size <= before);
      }
    }));
  });
});
