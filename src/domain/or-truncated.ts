import { failed, type StageResult } from "./image/stage-result.ts";

/**
 * What is damaged because its connection broke may come whole the next time. Where a server does not tell where the file ends, it ends
 * with its connection, and nobody has seen it break.
 */
export function orTruncated<T>(result: StageResult<T>, { isEndTold, bytes }: { isEndTold: boolean; bytes: number }): StageResult<T> {
  if (result.ok || isEndTold) return result;
  const { code } = result.failure;
  if (bytes === 0 && code === "not_an_image")
    return failed("truncated", "The connection ended before anything of the file had come, whose length the server did not say.");
  if (code !== "corrupt_image") return result;
  return failed(
    "truncated",
    "What came of the file cannot be decoded; the server did not say how long it is, so that it may have been cut.",
  );
}
