import type { Config } from "../config.ts";
import { startEmbeddedPostgres } from "../embedded/embedded-postgres.ts";
import { endProcess } from "./end-process.ts";
import { watchForInterruption } from "./interruption.ts";

type Opened = { url: string; close(): Promise<void> };

/**
 * The embedded server for the time of a command. It is detached, so that a signal that ends the command would leave it running for ever:
 * the first one closes it before the process ends, the second does not wait for that.
 */
export async function openEmbedded({ dataDir, embeddedPgPort }: Pick<Config, "dataDir" | "embeddedPgPort">): Promise<Opened> {
  const interruption = watchForInterruption(
    () =>
      void opening.then(
        ({ close }) => close(),
        // A start that fails is told by whoever waits for it.
        () => {},
      ),
  );
  const opening = startEmbeddedPostgres({ dataDir, port: embeddedPgPort, log: console.error }).then((embedded) => {
    if (!embedded.adopted) process.once("exit", embedded.abandon);
    const end = async () => {
      try {
        await (embedded.adopted ? embedded.leave() : embedded.stop());
        process.off("exit", embedded.abandon);
      } finally {
        // Here, before the command hears that its database is gone, which is not what ends it.
        if (interruption.signal.aborted) await endProcess(interruption.exitCode);
        interruption.end();
      }
    };
    let ended: Promise<void> | undefined;
    return { url: embedded.url, close: () => (ended ??= end()) };
  });
  return opening;
}
