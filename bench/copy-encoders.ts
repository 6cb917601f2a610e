import childProcess, { type ForkOptions } from "node:child_process";
import { registerHooks, syncBuiltinESMExports } from "node:module";
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";

/**
 * Given to the service by NODE_OPTIONS in `npm run bench -- copy` only: its encoders stay what they are, processes that are sent a task and
 * answer, but copy the input. They are started with neither our environment nor our options, so that the service's fork() hands this
 * file on; there it has the encoder's own entry find copy-image.ts where it looks for what encodes.
 */
const ENTRY = "/src/image/pool/encoder.ts";
const ENCODE = "/src/image/encode/encode.ts";

if (process.argv[1]?.endsWith(ENTRY)) {
  registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context);
      const isReplaced = found.url.endsWith(ENCODE) && context.parentURL?.endsWith(ENTRY);
      return isReplaced ? { ...found, url: new URL("copy-image.ts", import.meta.url).href } : found;
    },
  });
} else if (isMainThread) {
  const { fork } = childProcess;
  const forkCopying = (file: string | URL, words: readonly string[], options: ForkOptions) => {
    const own = String(file).endsWith(ENTRY) ? ["--import", fileURLToPath(import.meta.url)] : [];
    return fork(file, words, { ...options, execArgv: [...(options.execArgv ?? []), ...own] });
  };
  childProcess.fork = forkCopying as typeof fork;
  syncBuiltinESMExports();
}
