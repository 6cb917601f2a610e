import { once } from "node:events";
import { createReadStream } from "node:fs";
import { parse } from "fast-csv";

/** Parses a file and counts its rows and cells, nothing else: the least that any intake with fast-csv takes. */
const [path = ""] = process.argv.slice(2);
// The memory that counts is what parsing takes beyond a process that has loaded the library.
const idleBytes = process.memoryUsage.rss();
const startedAt = performance.now();
let rows = 0;
let cells = 0;
const parser = createReadStream(path)
  .pipe(parse())
  .on("data", (row: string[]) => {
    rows += 1;
    cells += row.length;
  });
await once(parser, "end");
process.send?.({
  rows,
  cells,
  seconds: (performance.now() - startedAt) / 1_000,
  idleBytes,
  peakBytes: process.resourceUsage().maxRSS * 1_024,
});
process.disconnect();
