import { isIPv4 } from "node:net";
import { errorCode } from "../error-code.ts";
import { failed, type StageFailure } from "../image/stage-result.ts";

/** What the system says where it opens no further file or connection: this process has as many as it may, or the whole system has. */
const OUT_OF_FILES: ReadonlySet<string> = new Set(["EMFILE", "ENFILE"]);

/** Whether nothing is wrong but that no further file or connection can be opened, which passes as others are closed. */
export function isOutOfFiles(error: unknown): error is Error & { code: string } {
  return OUT_OF_FILES.has(errorCode(error));
}

/** The failure of an image for which there was none left; null where the error says something else. */
export function outOfFiles(error: unknown): { ok: false; failure: StageFailure } | null {
  if (!isOutOfFiles(error)) return null;
  return failed("storage_failed", `No further file or connection could be opened (${error.code}).`, {
    lack: { of: "files", error },
  });
}

/**
 * The failure of an image for whose connection no port was left on our side, as others rest for a minute after their connection's end; null
 * where the error says something else. Of IPv6 the same error says that it is switched off here, which does not pass.
 */
export function outOfPorts(error: unknown): { ok: false; failure: StageFailure } | null {
  if (errorCode(error) !== "EADDRNOTAVAIL") return null;
  if (!(error instanceof Error) || !("address" in error) || !isIPv4(String(error.address))) return null;
  return failed("storage_failed", "No port was left for a further connection (EADDRNOTAVAIL).", {
    lack: { of: "ports", error },
  });
}

/** The connection, and the file that its body goes to. */
const FILES_PER_DOWNLOAD = 2;
/**
 * What a process has open besides its downloads and encoders: 25 connections to the database, two for each of the 32 look-ups at once,
 * some 20 of Node and the log, and what is left for the clients of the API and for outputs.
 */
const FILES_BESIDES = 150;
/** However few files there may be: with these, and what an idle service has open, it takes a hundred. */
const DOWNLOADS_MIN = 8;

/** How many downloads at once fit into so many files. An encoder's channel is one. */
export function downloadsWithin(filesMax: number, encoders: number): number {
  return Math.max(DOWNLOADS_MIN, Math.floor((filesMax - encoders - FILES_BESIDES) / FILES_PER_DOWNLOAD));
}
