import { existsSync } from "node:fs";
import "./process-settings.js";

// A checkout runs the TypeScript as it is; a published package holds it compiled (Node strips no types below node_modules).
const source = new URL("../src/main.ts", import.meta.url);
const built = new URL("../dist/main.js", import.meta.url);
await import(existsSync(source) ? source.href : built.href);
