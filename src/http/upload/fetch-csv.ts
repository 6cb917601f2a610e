import { endsInLine } from "../../csv/ends-in-line.ts";
import { faultIn, type ProblemError } from "../problems.ts";
import { readableName, type ReceivedAddress, type ReceivedUpload } from "./receive-upload.ts";

export type FetchDeps = {
  tempPath(extension: string): string;
  /** Through the address guard. `isEndTold` is whether the server said where the file ends, so that a cut one would have been noticed. Rejects with `gone`'s reason. */
  fetchCsv(
    url: string,
    path: string,
    gone: AbortSignal,
  ): Promise<{ ok: true; bytes: number; isEndTold: boolean } | { ok: false; code: string; message: string }>;
};

/** The file of an upload that gave its address. What may have lost its last rows is refused: nobody would miss them. */
export async function fetchCsv(deps: FetchDeps, { csvUrl, ...given }: ReceivedAddress, gone: AbortSignal): Promise<ReceivedUpload> {
  const path = deps.tempPath("csv");
  const fetched = await deps.fetchCsv(csvUrl, path, gone);
  if (!fetched.ok) throw notFetched(fetched.code, fetched.message);
  const { bytes, isEndTold } = fetched;
  if (!isEndTold && bytes > 0 && !(await endsInLine(path, bytes)))
    throw notFetched(
      "truncated",
      `The server did not say how long the file is, and the ${bytes} bytes that came do not end with a line, so that the rest may be missing. Send the request again; where the file always ends so, end its last line, let the server send a Content-Length, or upload the file itself.`,
    );
  return { ...given, path, bytes, fileName: nameIn(csvUrl) };
}

function notFetched(code: string, message: string): ProblemError {
  return faultIn("csv_url_failed", "csvUrl", message, `The CSV at csvUrl could not be fetched (${code}): ${message}`);
}

/** The last part of the path, as it would be called on a disk. */
function nameIn(url: string): string | null {
  const last = new URL(url).pathname.split("/").at(-1) ?? "";
  try {
    return readableName(decodeURIComponent(last));
  } catch {
    return readableName(last);
  }
}
