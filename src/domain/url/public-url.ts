import { isIP } from "node:net";
import { createAddressPolicy } from "./address-policy.ts";
import type { UploadWarning } from "../batch/csv-problem.ts";

const policy = createAddressPolicy({ allowCidrs: [] });
/** Names that no public name server answers for (RFC 6761, RFC 6762, RFC 8375, and ICANN's `internal`). */
const PRIVATE_NAMES = /(^|\.)(localhost|local|internal|home\.arpa|test|invalid|lan)$/;

/** Whether somebody outside could reach this URL, as far as its host tells. */
export function isPublicUrl(url: string): boolean {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) > 0) return policy.isAllowed(host);
  return host.includes(".") && !PRIVATE_NAMES.test(host);
}

/** Whether it leads to the very machine that follows it: `localhost` and names below it (RFC 6761 §6.3), 127.0.0.0/8 and ::1. */
export function isLoopbackUrl(url: string): boolean {
  const { hostname } = new URL(url);
  return /(^|\.)localhost$/.test(hostname) || hostname === "[::1]" || (isIP(hostname) === 4 && hostname.startsWith("127."));
}

export function outputsNotPublic(publicUrl: string): UploadWarning {
  return {
    code: "outputs_not_public",
    message: `Output URLs begin with ${publicUrl}, which others cannot reach: a shop that imports the result would not find the images. Start Pressrun with PUBLIC_URL=https://… at which this service is reached from outside, or take the files from archive.zip.`,
  };
}
