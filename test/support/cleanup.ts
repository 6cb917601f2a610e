import { after } from "node:test";

const undoings: (() => unknown)[] = [];

/** Runs when the test file has ended, the last first; works in hooks and in tests alike, where `after` would not. */
export function onCleanup(undo: () => unknown): void {
  undoings.push(undo);
}

after(async () => {
  for (const undo of undoings.toReversed()) await undo();
});
