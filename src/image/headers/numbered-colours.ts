import { findMeta, readAvifItems, withinBounds, type AvifItems } from "./avif-items.ts";
import type { PngChunks } from "./png-chunks.ts";

/** How a file says by two numbers which colours it means: ITU-T H.273, tables 2 and 3. */
export type Numbered = { primaries: number; transfer: number };

/** PNG 3rd edition, 11.3.2.6. libvips goes by a profile where there is one as well. */
export function readPngNumbers(chunks: PngChunks): Numbered | null {
  const found = chunks.get("cICP");
  return found?.length === 4 ? { primaries: found.readUInt8(0), transfer: found.readUInt8(1) } : null;
}

/** Of an AVIF's picture, not of what stands beside it; ISO/IEC 14496-12, 12.1.5. A profile is stronger. */
export function readAvifNumbers(head: Buffer): Numbered | null {
  return withinBounds(() => {
    const meta = findMeta(head);
    const items = meta && readAvifItems(meta);
    const colours = items ? coloursOf(items) : [];
    const nclx = colours.find((body) => kindOf(body) === "nclx");
    if (!nclx || colours.some((body) => kindOf(body) !== "nclx")) return null;
    return { primaries: nclx.readUInt16BE(4), transfer: nclx.readUInt16BE(6) };
  });
}

function kindOf(colr: Buffer): string {
  return colr.toString("latin1", 0, 4);
}

/** A picture of tiles may leave it to them. */
function coloursOf({ primary, references, propertiesOf }: AvifItems): Buffer[] {
  const [tile] = references.find(({ type, from }) => type === "dimg" && from === primary)?.to ?? [];
  const own = [primary, tile].map((item) => (propertiesOf.get(item ?? 0) ?? []).filter(({ type }) => type === "colr"));
  return (own.find((found) => found.length > 0) ?? []).map(({ body }) => body);
}

/** What is left where nothing need be done: the colours are sRGB's, or as near as television's. */
export function toBeConverted(numbered: Numbered | null): Numbered | null {
  const isOther = numbered !== null && (WIDE_PRIMARIES.has(numbered.primaries) || STEEP_TRANSFERS.has(numbered.transfer));
  return isOther ? numbered : null;
}

/** ITU-T H.273, table 2: BT.2020 and Display P3. */
export const [BT2020, DISPLAY_P3] = [9, 12];
const WIDE_PRIMARIES: ReadonlySet<number> = new Set([BT2020, DISPLAY_P3]);
/** Table 3: a gamma of 2.8, and light as it is. Browsers take the curves of television (1, 6, 14, 15) for sRGB's. */
export const [GAMMA_28, LINEAR] = [5, 8];
const STEEP_TRANSFERS: ReadonlySet<number> = new Set([GAMMA_28, LINEAR]);
