/** A web page whatever its Content-Type says: login pages, soft 404s and consent walls come with status 200. */
export function looksLikeHtml(head: Buffer): boolean {
  const text = skipProlog(head.toString("utf8", 0, 1024)).toLowerCase();
  return /^<(!doctype\s+html|html|head|body|title|meta|script|style|link|div|p|h1|table|iframe|noscript|a)[\s>/]/.test(text);
}

/**
 * What may stand before the first element of a page or a drawing. One piece after the other: as a single expression,
 * a body of nothing but comments kept the process busy for ever.
 */
function skipProlog(text: string): string {
  let rest = text;
  for (;;) {
    const [found] = /^(?:[\s\uFEFF]+|<!--(?:(?!-->)[\s\S])*-->|<\?xml[^>]*>)/.exec(rest) ?? [];
    if (found === undefined) return rest;
    rest = rest.slice(found.length);
  }
}

const BRANDS: Record<string, string> = {
  heic: "a HEIC photograph, which needs a patented decoder",
  heix: "a HEIC photograph, which needs a patented decoder",
  hevc: "a HEIC photograph, which needs a patented decoder",
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
  [/^8BPS/, "a Photoshop document"],
  [/^\u00FF\u000A|^\0\0\0\u000CJXL /, "a JPEG XL image"],
  [/^\0\0\0\u000CjP {2}|^\u00FFO\u00FFQ/, "a JPEG 2000 image"],
  [/^\0\0[\u0001\u0002]\0/, "a Windows icon"],
  [/^%PDF-/, "a PDF"],
  [/^II\+\0|^MM\0\+/, "a BigTIFF image"],
  [/^II\u00BC/, "a JPEG XR image"],
  [/^\u001AE\u00DF\u00A3/, "a Matroska or WebM film"],
  [/^#\?RADIANCE/, "a Radiance HDR image"],
  [/^v\/1\u0001/, "an OpenEXR image"],
];

export function looksLikeSvg(head: Buffer): boolean {
  return /^(<!DOCTYPE svg[^>]*>\s*)?<svg[\s>]/i.test(skipProlog(head.toString("utf8", 0, 1024)));
}

/** What a file is that we know and cannot take, in words that go into a sentence; null for what we do not know. */
export function nameUnsupported(head: Buffer): string | null {
  const ascii = head.toString("latin1", 0, 512);
  if (ascii.slice(4, 8) === "ftyp") return BRANDS[ascii.slice(8, 12).trim().toLowerCase()] ?? "a film or an image container";
  if (looksLikeSvg(head)) return "an SVG drawing, which the operator has not switched on (ALLOW_SVG)";
  return MAGIC.find(([magic]) => magic.test(ascii))?.[1] ?? null;
}
