import { errorCode } from "./error-code.ts";

/**
 * What the system says where a file finds no room: ENOSPC where no bytes or no inodes are left, EDQUOT where a quota of either is used up; null
 * where the error says something else.
 */
export function diskFullCode(error: unknown): "ENOSPC" | "EDQUOT" | null {
  const code = errorCode(error);
  return code === "ENOSPC" || code === "EDQUOT" ? code : null;
}
