type OtherType = { what: string; wayOut: string };

const AS_CSV = "save it as “CSV UTF-8” and upload that";
const AS_LIST = "upload a CSV that lists the URLs of the images";
const AS_EXPORT = "export the table as CSV";

/** What people upload by mistake, by its first bytes, and what they can do instead. */
const MAGIC: (OtherType & { bytes: string })[] = [
  { bytes: "\xd0\xcf\x11\xe0", what: "an old Excel workbook (.xls)", wayOut: AS_CSV },
  { bytes: "%PDF", what: "a PDF", wayOut: AS_EXPORT },
  { bytes: "\x89PNG", what: "a PNG image", wayOut: AS_LIST },
  { bytes: "\xff\xd8\xff", what: "a JPEG image", wayOut: AS_LIST },
  { bytes: "GIF8", what: "a GIF image", wayOut: AS_LIST },
  { bytes: "II*\x00", what: "a TIFF image", wayOut: AS_LIST },
  { bytes: "MM\x00*", what: "a TIFF image", wayOut: AS_LIST },
  { bytes: "RIFF", what: "a WebP image or another RIFF file", wayOut: AS_LIST },
  { bytes: "\x1f\x8b", what: "a gzip archive within another", wayOut: "pack it once" },
  { bytes: "Rar!", what: "a RAR archive", wayOut: "unpack it and upload the CSV" },
  { bytes: "7z\xbc\xaf", what: "a 7-Zip archive", wayOut: "unpack it and upload the CSV" },
  { bytes: "BZh", what: "a bzip2 archive", wayOut: "unpack it, or use gzip" },
  { bytes: "\xfd7zXZ", what: "an xz archive", wayOut: "unpack it, or use gzip" },
  { bytes: "PK\x05\x06", what: "an empty ZIP archive", wayOut: "upload the CSV itself" },
  { bytes: "\x28\xb5\x2f\xfd", what: "a Zstandard archive", wayOut: "unpack it, or use gzip" },
  { bytes: "PAR1", what: "a Parquet file", wayOut: AS_EXPORT },
  { bytes: "SQLite format 3", what: "an SQLite database", wayOut: AS_EXPORT },
  { bytes: "{\\rtf", what: "a rich text document", wayOut: AS_EXPORT },
];

/** What a file is, if its first HEAD_BYTES show that it is no CSV; null otherwise. */
export function findOtherType(head: Buffer): OtherType | null {
  const text = head.subarray(0, HEAD_BYTES).toString("latin1");
  if (text.startsWith("PK\x03\x04")) return zipType(text);
  return MAGIC.find(({ bytes }) => text.startsWith(bytes)) ?? typeWithin(text) ?? markupType(withoutMark(head, text).trimStart());
}

/** Types that are told by bytes further on than the first. */
function typeWithin(text: string): OtherType | null {
  if (/^\x00{3}.ftyp/s.test(text))
    return /^(avi[fs]|hei[cx]|mif1|msf1)/.test(text.slice(8))
      ? { what: "an AVIF or HEIC image", wayOut: AS_LIST }
      : { what: "a video", wayOut: AS_LIST };
  return text.startsWith("ustar", 257) ? { what: "a tar archive", wayOut: "unpack it and upload the CSV" } : null;
}

/** The text without a byte order mark, which can stand before markup. */
function withoutMark(head: Buffer, text: string): string {
  if (text.startsWith("\xff\xfe")) return head.subarray(2, HEAD_BYTES).toString("utf16le");
  return text.startsWith("\xef\xbb\xbf") ? text.slice(3) : text;
}

/** The names of the first files in a workbook's archive lie well within this. */
export const HEAD_BYTES = 4_096;

function zipType(text: string): OtherType {
  if (text.includes("word/"))
    return { what: "a Word document", wayOut: "copy its table into a spreadsheet, save that as “CSV UTF-8” and upload it" };
  if (text.includes("[Content_Types].xml") || text.includes("xl/") || text.includes("_rels/"))
    return { what: "an Excel workbook (.xlsx)", wayOut: AS_CSV };
  if (text.includes("opendocument")) return { what: "an OpenDocument file", wayOut: AS_CSV };
  return { what: "a ZIP archive", wayOut: "unpack it and upload the CSV" };
}

function markupType(text: string): OtherType | null {
  if (/^<(!doctype html|html|head|body)\b/i.test(text))
    return { what: "a web page", wayOut: "the link may have led to a sign-in page; download the file itself and upload that" };
  if (/^(<\?xml[^>]*>\s*)?<svg\b/i.test(text)) return { what: "an SVG drawing", wayOut: AS_LIST };
  if (/^<\?xml|^<(rss|feed)\b/i.test(text))
    return { what: "an XML file", wayOut: "export the table as CSV, or send the products as JSON to POST /v1/batches" };
  if (/^(\[\s*)?\{\s*["}]/.test(text))
    return { what: "JSON", wayOut: "send it to POST /v1/batches as application/json or application/x-ndjson" };
  return null;
}
