import { stat } from "node:fs/promises";

/** When it was changed last, by the clock of its file system. One that is gone meanwhile, or cannot be looked at, is not old. */
export async function modifiedMs(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => Infinity,
  );
}
