import { faultIn } from "./problems.ts";
import { readableName, type ReceivedAddress, type ReceivedUpload } from "./receive-upload.ts";

export type FetchDeps = {
  tempPath(extension: string): string;
  /** Through the address guard. */
  fetchCsv(url: string, path: string): Promise<{ ok: true; bytes: number } | { ok: false; code: string; message: string }>;
};

/** The file of an upload that gave its address. */
export async function fetchCsv(deps: FetchDeps, { csvUrl, ...given }: ReceivedAddress): Promise<ReceivedUpload> {
  const path = deps.tempPath("csv");
  const fetched = await deps.fetchCsv(csvUrl, path);
  if (!fetched.ok)
    throw faultIn(
      "csv_url_failed",
      "csvUrl",
      fetched.message,
      `The CSV at csvUrl could not be fetched (${fetched.code}): ${fetched.message}`,
    );
  return { ...given, path, bytes: fetched.bytes, fileName: nameIn(csvUrl) };
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
