const HDR = "colours brighter than white (HDR, by PQ or HLG), which would come out pale";

/** ITU-T H.273, table 3: PQ and HLG. */
const HDR_TRANSFERS: ReadonlySet<number> = new Set([16, 18]);

/** What an AVIF's `meta` box says of its colours that libvips does not heed, in words that go into a sentence; else null. */
export function nameUnreadAvif(meta: Buffer): string | null {
  return isHdr(meta) ? HDR : null;
}

/** MIAF, ISO/IEC 23000-22: a reference of type `prem`. libheif hands such colours on as they are, and libvips does not ask. */
export function isPremultiplied(meta: Buffer): boolean {
  const at = meta.indexOf("iref", 0, "latin1");
  if (at < 4) return false;
  // Its version stands before the references, each of which says how long it is.
  const references = meta.subarray(at + 8, at - 4 + meta.readUInt32BE(at - 4));
  for (let next = 0; next + 8 <= references.length; next += Math.max(8, references.readUInt32BE(next)))
    if (references.toString("latin1", next + 4, next + 8) === "prem") return true;
  return false;
}

/** ISO/IEC 14496-12, 12.1.5. A gain map has such colours beside those of the picture, and libvips goes by a profile. */
function isHdr(meta: Buffer): boolean {
  let isFound = false;
  for (let at = meta.indexOf("colr", 0, "latin1"); at !== -1 && at + 12 <= meta.length; at = meta.indexOf("colr", at + 4, "latin1")) {
    if (meta.toString("latin1", at + 4, at + 8) !== "nclx" || !HDR_TRANSFERS.has(meta.readUInt16BE(at + 10))) return false;
    isFound = true;
  }
  return isFound;
}

/** `cICP`, four bytes long. */
const CICP = Buffer.from("\0\0\0\u0004cICP", "latin1");

/** The same of a PNG's first chunks; PNG 3rd edition, 11.3.2.6. */
export function nameUnreadPng(head: Buffer): string | null {
  const at = head.indexOf(CICP);
  return at !== -1 && HDR_TRANSFERS.has(head[at + CICP.length + 1] ?? 0) ? HDR : null;
}
