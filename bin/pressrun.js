#!/usr/bin/env node
import "./require-node.js";
import { existsSync } from "node:fs";
import { enableCompileCache } from "node:module";

// Compiled code and stripped types are kept between starts: half a second less each time.
enableCompileCache();

// Look-ups and files share libuv's pool threads, of which there are four: a slow resolver would hold up every write.
process.env.UV_THREADPOOL_SIZE ??= "16";

// A checkout runs the TypeScript as it is; a published package holds it compiled (Node strips no types below node_modules).
const source = new URL("../src/main.ts", import.meta.url);
const built = new URL("../dist/main.js", import.meta.url);
await import(existsSync(source) ? source.href : built.href);
