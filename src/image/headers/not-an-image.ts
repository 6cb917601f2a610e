/**
 * The tags by which the WHATWG's MIME Sniffing Standard (§7.1) knows a page, and others that error pages begin with; of XHTML also with a
 * prefix. Each repetition ends where the next can begin, so that no head is gone over more than twice.
 */
const PAGE =
  /^<((!doctype\s*)?([\w.-]+:)?html|head|body|title|meta|script|style|link|div|p|h[1-6]|table|iframe|noscript|a|font|b|br|center|form|span|img)[\s>/]/i;

/** A web page whatever its Content-Type says: login pages, soft 404s and consent walls come with status 200. */
export function looksLikeHtml(head: Buffer): boolean {
  const text = decodeText(head);
  const rest = skipProlog(text);
  // A comment that ends behind the head: of HTML by that standard, where no declaration says that it is XML.
  return PAGE.test(rest) || (rest.startsWith("<!--") && !/^\s*<\?xml/.test(text));
}

/** What a server calls a page, whatever it begins with: an error message as bare text, say. */
export function isCalledHtml(contentType: string | null): boolean {
  return /^\s*(text\/html|application\/xhtml\+xml)\s*([;,]|$)/i.test(contentType ?? "");
}

/** UTF-16 where a mark says so. All that is looked for is ASCII. */
function decodeText(head: Buffer): string {
  const [first, second] = head;
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(head);
  return new TextDecoder(first === 0xfe && second === 0xff ? "utf-16be" : "utf-8").decode(head);
}

/**
 * What may stand before the first element of a page or a drawing: blanks, comments (`<!-->` is one in HTML) and declarations. Each is looked
 * for from where the last one ended: as a single expression, a body of nothing but comments kept the process busy for ever.
 */
function skipProlog(text: string): string {
  const blanks = /[\s\uFEFF]*/y;
  for (let at = 0; ;) {
    blanks.lastIndex = at;
    at += blanks.exec(text)?.[0].length ?? 0;
    const end = text.startsWith("<!--", at) ? endOf("-->", text, at + 2) : text.startsWith("<?", at) ? endOf(">", text, at) : null;
    if (end === null) return text.slice(at);
    at = end;
  }
}

function endOf(mark: string, text: string, from: number): number | null {
  const at = text.indexOf(mark, from);
  return at === -1 ? null : at + mark.length;
}

/** ISO/IEC 23008-12, B.4: what is coded with HEVC has one of these among its brands, not always as the first. */
const HEIC_BRAND = /^he(ic|ix|im|is|vc|vx|vm|vs)$/;
const BRANDS: Record<string, string> = {
  avis: "an animated AVIF",
  mif1: "a HEIF image",
  msf1: "a HEIF image",
  crx: "a camera's raw file",
  qt: "a QuickTime film",
  isom: "an MP4 film",
  mp42: "an MP4 film",
  mp41: "an MP4 film",
};

const MAGIC: [RegExp, string][] = [
  [/^BM[\s\S]{4}\0\0\0\0/, "a BMP bitmap"],
  [/^\u00FF\u00D8\u00FF\u00F7/, "a JPEG-LS image"],
  [/^8BPS/, "a Photoshop document"],
  [/^\u00FF\u000A|^\0\0\0\u000CJXL /, "a JPEG XL image"],
  [/^\0\0\0\u000CjP {2}|^\u00FFO\u00FFQ/, "a JPEG 2000 image"],
  // Some picture or other is in it; a TGA begins likewise, with nothing there.
  [/^\0\0[\u0001\u0002]\0[^\0]/, "a Windows icon"],
  [/^%PDF-/, "a PDF"],
  [/^II\+\0|^MM\0\+/, "a BigTIFF image"],
  [/^II\u00BC/, "a JPEG XR image"],
  [/^\u001AE\u00DF\u00A3/, "a Matroska or WebM film"],
  [/^#\?RADIANCE/, "a Radiance HDR image"],
  [/^v\/1\u0001/, "an OpenEXR image"],
];

/** ISO/IEC 14496-12, 4.3: what a file of this family says that it is, the most fitting first. */
export function readBrands(head: Buffer): string[] {
  if (head.length < 16 || head.toString("latin1", 4, 8) !== "ftyp") return [];
  const [major = "", , ...others] = head.toString("latin1", 8, Math.min(64, Math.max(12, head.readUInt32BE(0)))).match(/[\s\S]{4}/g) ?? [];
  return [major, ...others];
}

/** The type of the document is enough: behind it editors write entities of their own, often more than we have of the file here. */
export function looksLikeSvg(head: Buffer): boolean {
  return /^<(!DOCTYPE\s+svg[\s>[]|(svg:)?svg[\s>])/i.test(skipProlog(head.toString()));
}

/** What a file is that we know and cannot take, in words that go into a sentence; null for what we do not know. */
export function nameUnsupported(head: Buffer): string | null {
  const ascii = head.toString("latin1", 0, 512);
  if (ascii.slice(4, 8) === "ftyp") {
    const brands = readBrands(head);
    if (brands.some((brand) => HEIC_BRAND.test(brand))) return "a HEIC photograph, which needs a patented decoder";
    return BRANDS[(brands[0] ?? "").trim().toLowerCase()] ?? "a film or an image container";
  }
  if (looksLikeSvg(head)) return "an SVG drawing, which the operator has not switched on (ALLOW_SVG)";
  return MAGIC.find(([magic]) => magic.test(ascii))?.[1] ?? null;
}
