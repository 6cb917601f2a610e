// What Node is told once a process, before anything else is loaded.
import { enableCompileCache, getCompileCacheDir } from "node:module";
import { dirname } from "node:path";
import { setFlagsFromString } from "node:v8";
import { readThreadsMax } from "./threads-max.js";

// Compiled code and stripped types are kept between starts: half a second less each time. A thread that loads a
// catalogue finds it in its environment: its start takes 0.16 s of CPU instead of 0.43.
enableCompileCache();
const cache = getCompileCacheDir();
if (cache !== undefined) process.env.NODE_COMPILE_CACHE ??= dirname(cache);

// V8's young generation stays at its first size of 1 MB. Left to grow to 16 MB it saved 9 % of the CPU for images that come again
// and 1 ms of a photo of 1 MB, and a large upload took 110 to 116 MiB more than the idle service, instead of 63 to 66.
setFlagsFromString("--semi-space-growth-factor=1");
// So little is collected by one thread: with helpers an image that comes again took 0.39 and 0.47 ms of CPU, without 0.37 and 0.41, by turns.
setFlagsFromString("--no-parallel-scavenge");

// Look-ups and files share libuv's pool threads, of which there are four: a slow resolver would hold up every write. Look-ups may have
// half of them, one each for as long as it takes (src/net/look-ups.ts): with 32 at once, names of five seconds come six in a second.
// Where the system allows few threads, as a container's limit does, they have an eighth of those, and four at least: of 64, encoders and the
// embedded database need 47, and libuv ends the process without a word where it cannot make the pool's.
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, Math.min(64, Math.floor(readThreadsMax() / 8))));
