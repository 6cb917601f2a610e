import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { percentSettled, settledStatus } from "../../src/domain/batch/batch-state.ts";

describe("a batch", () => {
  test("is cancelled only where something was skipped, else failed only where nothing succeeded, and at 100 per cent only when all is settled", () => {
    fc.assert(
      fc.property(fc.nat(50), fc.nat(50), fc.nat(50), fc.nat(50), (completed, failures, skipped, open) => {
        const counts = { total: completed + failures + skipped + open, completed, failed: failures, skipped };
        fc.pre(counts.total > 0);
        assert.equal(percentSettled(counts) === 100, open === 0);
        const { status, outcome } = settledStatus(counts);
        assert.equal(status === "cancelled", skipped > 0);
        assert.equal(status === "failed", skipped === 0 && completed === 0);
        assert.equal(outcome === "none", completed === 0);
        assert.equal(outcome === "all", completed === counts.total);
      }),
    );
  });
});
