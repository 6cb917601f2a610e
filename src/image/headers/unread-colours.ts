import type { Numbered } from "./numbered-colours.ts";

const HDR = "colours brighter than white (HDR, by PQ or HLG), which would come out pale";

/** ITU-T H.273, table 3: PQ and HLG. */
const HDR_TRANSFERS: ReadonlySet<number> = new Set([16, 18]);
/** Tables 2 and 3: NTSC of 1953, film, XYZ and a projector's white; logarithms, and what projectors take. */
const UNREAD_PRIMARIES: ReadonlySet<number> = new Set([4, 8, 10, 11]);
const UNREAD_TRANSFERS: ReadonlySet<number> = new Set([9, 10, 17]);

/** What a file says of its colours by numbers that is not heeded, in words that go into a sentence; else null. A profile is stronger but of HDR. */
export function nameUnread(numbered: Numbered | null, { hasProfile = false } = {}): string | null {
  if (numbered === null) return null;
  const { primaries, transfer } = numbered;
  if (HDR_TRANSFERS.has(transfer)) return HDR;
  if (hasProfile) return null;
  if (!UNREAD_PRIMARIES.has(primaries) && !UNREAD_TRANSFERS.has(transfer)) return null;
  return `colours of a kind that is not read (primaries ${primaries}, transfer ${transfer} of ITU-T H.273), which would come out as others`;
}

/** The same of an AVIF's `meta` box, also where that is not as it should be. */
export function nameUnreadAvif(meta: Buffer, numbered: Numbered | null): string | null {
  return nameUnread(numbered) ?? (isHdr(meta) ? HDR : null);
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
