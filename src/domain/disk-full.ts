import { errorCode } from "./error-code.ts";

/** What the system says where a file finds no room. Node 24 has no name for EDQUOT, which is 122 on Linux and 69 on others. */
const DISK_FULL: ReadonlyMap<string, "ENOSPC" | "EDQUOT"> = new Map([
  ["ENOSPC", "ENOSPC"],
  ["EDQUOT", "EDQUOT"],
  ["Unknown system error -122", "EDQUOT"],
  ["Unknown system error -69", "EDQUOT"],
]);

/** ENOSPC where no bytes or no inodes are left, EDQUOT where a quota of either is used up; null where the error says something else. */
export function diskFullCode(error: unknown): "ENOSPC" | "EDQUOT" | null {
  return DISK_FULL.get(errorCode(error)) ?? null;
}
