import { startApp } from "../app.ts";
import { readConfig } from "../config.ts";
import { withoutPassword } from "../domain/secret/database-url.ts";
import { isPublicUrl, outputsNotPublic } from "../domain/url/public-url.ts";
import { createLog } from "../observe/log.ts";
import { endAtOnce, endProcess } from "./end-process.ts";

/** Serves until SIGTERM, Ctrl-C or the end of its terminal, then drains: images in hand are finished or given back, the database goes last. */
export async function serve(): Promise<void> {
  const config = readConfig(process.env);
  const log = createLog(config.logLevel);
  const aborting = new AbortController();
  let isStopping = false;
  const stop = (signal: NodeJS.Signals) => {
    // A second Ctrl-C ends the process at once, which loses nothing either.
    if (isStopping && signal !== "SIGHUP") void endAtOnce(130);
    // That one comes twice by itself, from the shell and from the kernel.
    if (isStopping) return;
    isStopping = true;
    aborting.abort();
    console.log(`Stopping (${signal}): images in hand are finished first; once more to stop at once.`);
    // A start that is not finished is undone first, so that nothing of it stays behind.
    void starting
      .then(
        (app) => app.stop(),
        () => {},
      )
      .then(
        () => endProcess(0),
        () => endProcess(1),
      );
  };
  const starting = startApp(config, log, aborting.signal);
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  // A terminal that was closed, or ssh: by itself it would end the process at once, and leave PostgreSQL behind.
  process.on("SIGHUP", stop);
  // bin/newer-node.js is gone, which started us with a channel. Another's channel may be closed so that we live on.
  if (process.env["PRESSRUN_WRAPPER"] === String(process.ppid)) process.on("disconnect", () => stop("SIGHUP"));

  const app = await starting.catch((error: unknown) => {
    if (!isStopping) throw error;
    return null;
  });
  if (isStopping || !app) return;
  console.log(
    app.url === null
      ? "Pressrun works, without an API (ROLE=worker)."
      : `Pressrun listens on ${app.url} (API documentation: ${app.url}/docs)`,
  );
  const publicUrl = config.publicUrl ?? app.url;
  if (publicUrl !== null && !isPublicUrl(publicUrl)) console.log(`Note (outputs_not_public): ${outputsNotPublic(publicUrl).message}`);
  if (config.contact === null && config.role !== "api")
    console.log(
      "Note (no_contact): Set CONTACT to your URL or mail address, so that an origin's operator can ask you instead of blocking us.",
    );
  // psql needs the password of the embedded database; whoever set DATABASE_URL has that of theirs.
  console.log(`Database: psql "${app.isDatabaseEmbedded ? app.databaseUrl : withoutPassword(app.databaseUrl)}"`);
}
