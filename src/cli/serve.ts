import { startApp, type App } from "../app.ts";
import { readConfig } from "../config.ts";
import { createLog } from "../observe/log.ts";

/** Serves until SIGTERM or Ctrl-C, then drains: images in hand are finished or given back, the database goes last. */
export async function serve(): Promise<void> {
  const config = readConfig(process.env);
  const log = createLog(config.logLevel);
  let app: App | undefined;
  let isStopping = false;
  const stop = (signal: NodeJS.Signals) => {
    // The second Ctrl-C is for those who do not want to wait; nothing is lost by it either.
    if (isStopping) process.exit(130);
    isStopping = true;
    if (app) console.log(`Stopping (${signal}): images in hand are finished first; once more to stop at once.`);
    void (app?.stop() ?? Promise.resolve()).then(() => process.exit(0));
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);

  app = await startApp(config, log);
  if (isStopping) return void app.stop().then(() => process.exit(0));
  console.log(app.url === null ? "Pressrun works, without an API (ROLE=worker)." : `Pressrun listens on ${app.url} (API documentation: ${app.url}/docs)`);
  console.log(`Database: psql "${app.databaseUrl}"`);
}
