import { setTimeout as delay } from "node:timers/promises";
import type { Config } from "../config.ts";
import { isDatabaseAway, isDatabaseClosed } from "../db/connection/connect.ts";
import { useServer, type ServerUse } from "../db/connection/use-server.ts";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "../embedded/embedded-postgres.ts";
import { endProcess } from "./end-process.ts";
import { watchForInterruption } from "./interruption.ts";

type Where = Pick<Config, "dataDir" | "embeddedPgPort">;
type Opened = { url: string; close(): Promise<void> };

/** Others that stop the server just when we have found it are done within a second. */
const RETRY_MS = 100;
const START_MS = 60_000;

/**
 * The embedded server for the time of a command: that of a service or of another command, or one that is started. The last command
 * stops it, whoever started it, where no service has it. It is detached, so that a signal that ends a command would leave it running
 * for ever: the first one closes it before the process ends, the second does not wait for that, and stops what this process started.
 */
export async function openEmbedded(where: Where): Promise<Opened> {
  const interruption = watchForInterruption(
    () =>
      void opening.then(
        ({ close }) => close(),
        // A start that fails is told by whoever waits for it.
        () => {},
      ),
  );
  const opening = startForUse(where).then(({ embedded, use }) => {
    const end = async () => {
      try {
        if (await use.isLast()) await embedded.stop();
      } finally {
        process.off("exit", embedded.abandon);
        await use.close();
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

/** One that is being stopped by its last command, or by its service, is waited for and started again. */
async function startForUse({ dataDir, embeddedPgPort }: Where): Promise<{ embedded: EmbeddedPostgres; use: ServerUse }> {
  const deadline = performance.now() + START_MS;
  for (;;) {
    const embedded = await startEmbeddedPostgres({ dataDir, port: embeddedPgPort, log: console.error });
    if (!embedded.adopted) process.once("exit", embedded.abandon);
    try {
      return { embedded, use: await useServer(embedded.url) };
    } catch (error) {
      if (!isDatabaseAway(error) || isDatabaseClosed(error) || performance.now() > deadline) throw error;
      process.off("exit", embedded.abandon);
      await delay(RETRY_MS);
    }
  }
}
