import { after } from "node:test";

/** Longer than the longest test file takes on a busy machine, so that one that waits for ever fails alone, and the run goes on. */
const FILE_MS = 300_000;

const undoings: (() => unknown)[] = [];

/** Runs `undo` when the test file has ended, the last one first. It works in hooks and in tests alike, where `after` would not. */
export function onCleanup(undo: () => unknown): void {
  undoings.push(undo);
}

after(undoAll);

setTimeout(async () => {
  process.stderr.write(`the file did not end within ${FILE_MS} ms; still open: ${process.getActiveResourcesInfo().join(", ")}\n`);
  await undoAll();
  process.exit(1);
}, FILE_MS).unref();

/** An undo that never ends is left out the second time. */
async function undoAll(): Promise<void> {
  for (let undo = undoings.pop(); undo; undo = undoings.pop()) await undo();
}
