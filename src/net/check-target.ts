import type { AddressPolicy } from "../domain/url/address-policy.ts";
import { isOutOfFiles } from "../domain/load/open-files.ts";
import { parseImageUrl } from "../domain/url/image-url.ts";
import { BlockedAddress, createGuard } from "./guarded-lookup.ts";
import type { Resolve } from "./look-ups.ts";
import { portOf } from "./port-of.ts";

/** `mayCarrySecrets`: whether an Authorization header would be sent there. */
type TargetCheck =
  { ok: true; mayCarrySecrets: boolean } | { ok: false; code: "url_invalid" | "address_blocked" | "dns_failed"; message: string };

/** Whether the guard would refuse this URL now, with the way out: better said at the upload than hours later. */
export function createTargetCheck(options: { policy: AddressPolicy; resolve?: Resolve }): (url: string) => Promise<TargetCheck> {
  const guard = createGuard(options);
  return async (text) => {
    const parsed = parseImageUrl(text);
    if (!parsed.ok) return { ok: false, code: parsed.code, message: parsed.message };
    const url = new URL(parsed.href);
    try {
      await guard.check(url.hostname, portOf(url));
      return { ok: true, mayCarrySecrets: await guard.mayCarrySecrets(url) };
    } catch (error) {
      if (error instanceof BlockedAddress) {
        return {
          ok: false,
          code: "address_blocked",
          message: `Expected an address on the public internet on port 80 or 443, got ${url.host}. If it is meant, the operator can admit it, for example with ALLOW_CIDRS=127.0.0.1/32, or a port of public addresses with ALLOW_PORTS.`,
        };
      }
      if (isOutOfFiles(error)) throw error;
      return { ok: false, code: "dns_failed", message: `The host name ${url.hostname} ${wordFailure(error)}` };
    }
  };
}

/** There is no such name, or none with an address. */
const ABSENT: ReadonlySet<unknown> = new Set(["ENOTFOUND", "ENODATA", "EAI_NODATA", "EAI_NONAME"]);

/** Whether it is worth asking again, as docs/rest-api.md says, is told by "did not answer". */
function wordFailure(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : null;
  if (ABSENT.has(code)) return `could not be resolved (${code}).`;
  return `could not be resolved: its name servers did not answer${code === null ? "" : ` (${code})`}; try again later.`;
}
