#!/usr/bin/env node
// Plain JavaScript that any Node since 14 reads: it runs Pressrun, on the Node 24 that came along where its own is older.
import { runNewerNode } from "./newer-node.js";

if (!runNewerNode(process.argv.slice(1))) await import("./run.js");
