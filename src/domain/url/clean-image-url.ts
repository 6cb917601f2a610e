import { excerpt, parseImageUrl, URL_LENGTH_MAX, WEB_ADDRESS } from "./image-url.ts";
import { isPlainUrl } from "./plain-url.ts";

export const URL_RULES = [
  "unescaped",
  "trimmed",
  "entities_decoded",
  "spaces_encoded",
  "scheme_added",
  "base_joined",
  "dropbox_direct",
  "google_drive_direct",
  "onedrive_direct",
] as const;
export type UrlRule = (typeof URL_RULES)[number];
type CleanUrl = { ok: true; href: string; rules: UrlRule[] } | UrlRefusal;
type UrlRefusal = { ok: false; code: "url_invalid"; message: string };

/** RFC 3986 §3.1. */
const SCHEME = /^[a-z][a-z0-9+.-]*:/i;
/** At the ends of a cell: white space, and the invisible marks that spreadsheets, editors and chats leave behind. */
const BLANK = /[\s\u0085\u180E\u200B-\u200F\u202A-\u202E\u2060\u2066-\u2069\uFEFF]/;

/**
 * The URL that is fetched for the text of a cell, and the rules that changed it, in the order in which they were applied.
 * It is called for every URL of a batch, so that each rule first looks whether there is anything to do.
 *
 * To clean the result again changes nothing, except where the text was escaped twice (`&amp;amp;`, `\\,`): each cleaning
 * takes off one layer, as the shop that wrote the file put on one.
 */
export function cleanImageUrl(text: string, { baseUrl }: { baseUrl: string | null }): CleanUrl {
  if (isPlainUrl(text)) return toDirect(text, []);
  const rules: UrlRule[] = [];
  const note = (rule: UrlRule, before: string, after: string): string => {
    if (after !== before) rules.push(rule);
    return after;
  };
  const unescaped = note("unescaped", text, unescapeCommas(text));
  const trimmed = note("trimmed", unescaped, trimBlanks(unescaped));
  const decoded = note("entities_decoded", trimmed, decodeAmpersands(trimmed));
  const schemed = note("scheme_added", decoded, addScheme(decoded));
  const absolute = toAbsolute(schemed, baseUrl);
  if (!absolute.ok) return absolute;
  const joined = note("base_joined", schemed, absolute.url);

  const parsed = parseImageUrl(note("spaces_encoded", joined, joined.replaceAll(/[ \u00A0]/g, "%20")));
  if (!parsed.ok) return parsed;
  if (!parsed.href.startsWith(absolute.within))
    return refuse(`Expected a path below baseUrl, got ${excerpt(schemed)}, which leads above it.`);
  return toDirect(parsed.href, rules);
}

/** The last step, for an address that is one. */
function toDirect(address: string, rules: UrlRule[]): CleanUrl {
  const direct = findDirectLink(address);
  const href = direct?.href ?? address;
  if (direct !== null && href !== address) rules.push(direct.rule);
  if (href.length > URL_LENGTH_MAX)
    return refuse(`Expected a URL of at most ${URL_LENGTH_MAX} characters, got ${excerpt(href)}, which has ${href.length} once encoded.`);
  return { ok: true, href, rules };
}

/**
 * WooCommerce's exporter writes `\,` for a comma within a value (`implode_values` in
 * https://github.com/woocommerce/woocommerce/blob/trunk/plugins/woocommerce/includes/export/abstract-wc-csv-exporter.php).
 */
function unescapeCommas(text: string): string {
  return text.replaceAll("\\,", ",");
}

/** By index: a regular expression for the end of a text would be tried again at each of 40,000 spaces. */
function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && BLANK.test(text.charAt(start))) start += 1;
  while (end > start && BLANK.test(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

/**
 * An `&` as HTML and XML feeds write it (https://html.spec.whatwg.org/multipage/named-characters.html), once. No other
 * entity: `&copy;=1` could be meant.
 */
function decodeAmpersands(text: string): string {
  return text.includes("&") ? text.replaceAll(/&(?:amp|#0?38|#x26);/g, "&") : text;
}

/** `//host/path` takes the scheme of the web page that it stands in (RFC 3986 §4.2); a cell stands in none, and hosts offer https now. */
function addScheme(text: string): string {
  return /^\/\/[^/\\]/.test(text) ? `https:${text}` : text;
}

/** `within` is what the address must begin with. */
type Absolute = { ok: true; url: string; within: string } | UrlRefusal;

function toAbsolute(text: string, baseUrl: string | null): Absolute {
  if (WEB_ADDRESS.test(text)) return { ok: true, url: text, within: "" };
  const refusal = refuseNonPath(text);
  if (refusal !== null) return refusal;
  if (baseUrl === null) return refuse(`Expected an absolute http or https URL, got ${excerpt(text)}. ${adviseFor(text)}`);
  return joinBase(text, baseUrl);
}

/** A path may have these behind its ?, as part of its query. */
const LINK_MARK = /^[^?]*(?:=|https?:\/\/)/i;

function adviseFor(text: string): string {
  return LINK_MARK.test(text)
    ? "It looks like a part of a link, or like one with more around it: a line break, and a comma or semicolon with a space, end a link. Within it write `, ` as %2C%20 and `; ` as %3B%20, and around it nothing."
    : "If it is a path on your shop, upload with baseUrl=…, such as baseUrl=https://shop.example/media; if it begins with a host name, write https:// before it.";
}

/** Refuses a text that no base can turn into an address; null for any other. */
function refuseNonPath(text: string): UrlRefusal | null {
  if (text === "") return refuse('Expected an absolute http or https URL, got "".');
  if (/^[a-z]:[\\/]/i.test(text) || text.startsWith("\\\\")) {
    return refuse(
      `Expected an absolute http or https URL, got ${excerpt(text)}, a file on a computer. Put the file on a web server and give its https:// address.`,
    );
  }
  if (/^www\./i.test(text))
    return refuse(`Expected an absolute http or https URL, got ${excerpt(text)}. Write https:// before it: ${excerpt(`https://${text}`)}.`);
  const scheme = SCHEME.exec(text)?.[0];
  if (scheme === undefined) return null;
  // Only the scheme is shown: `ftp://user:password@host` holds a secret, `data:` a whole image.
  return refuse(`Expected an absolute http or https URL, got one that begins with ${excerpt(scheme)}. Give the image's https:// address.`);
}

/**
 * Joins both as text, with one slash between: a path in a shop's export is relative to its media folder even where it begins
 * with a slash (Magento's `/m/b/mb01.jpg` below `/media/catalog/product`). A query of the base is left
 * out: no upload may have one, but batches of before that was so do.
 */
function joinBase(path: string, baseUrl: string): Absolute {
  const base = parseImageUrl(baseUrl);
  if (!base.ok) return refuse("Expected baseUrl to be an absolute http or https URL without credentials; upload with another baseUrl=….");
  const query = base.href.indexOf("?");
  let end = query === -1 ? base.href.length : query;
  while (base.href[end - 1] === "/") end -= 1;
  let start = 0;
  while (path[start] === "/" || path[start] === "\\") start += 1;
  const within = `${base.href.slice(0, end)}/`;
  return { ok: true, url: within + path.slice(start), within };
}

/**
 * The address of the file itself, for a link to the page that shares it; null for a host that shares no files. The host is
 * compared with its port, so that another server on such a host is left alone.
 */
function findDirectLink(href: string): { rule: UrlRule; href: string } | null {
  const start = href.indexOf("//") + 2;
  const host = href.slice(start, href.indexOf("/", start));
  switch (host) {
    case "www.dropbox.com":
    case "dropbox.com":
      return { rule: "dropbox_direct", href: dropboxFile(new URL(href)) };
    case "drive.google.com":
      return { rule: "google_drive_direct", href: googleDriveFile(new URL(href)) };
    case "1drv.ms":
    case "onedrive.live.com":
      return { rule: "onedrive_direct", href: oneDriveFile(new URL(href)) };
    default:
      return host.endsWith(".sharepoint.com") ? { rule: "onedrive_direct", href: sharePointImage(new URL(href)) } : null;
  }
}

/**
 * `dl=1` downloads a file, `raw=1` shows it without the page around it (https://help.dropbox.com/share/force-download); they
 * lead to `/s/dl/` and `/s/raw/`. The `rlkey`, which grants access, stays. `/sh/` and `/scl/fo/` are folders, which would
 * come as a ZIP.
 */
function dropboxFile({ href, pathname, searchParams }: URL): string {
  const isFile = /^\/(?:s|scl\/fi)\//.test(pathname) && !/^\/s\/(?:dl|raw)\//.test(pathname);
  if (!isFile || searchParams.get("dl") === "1" || searchParams.get("raw") === "1") return href;
  return withParameter(href, "dl", "1");
}

/**
 * The form of the API's `webContentLink`, which downloads in a browser
 * (https://developers.google.com/workspace/drive/api/guides/manage-downloads), with the resource key that some shared
 * files need (https://developers.google.com/workspace/drive/api/guides/resource-keys). Google documents the field, not
 * the form of its value. Folders and thumbnails are left alone; the id of `/open` does not say whether it is a folder.
 */
function googleDriveFile({ href, pathname, searchParams }: URL): string {
  if (pathname === "/uc" && searchParams.get("export") === "download") return href;
  const isQuery = /^\/(?:u\/\d{1,2}\/)?(?:open|uc)$/.test(pathname);
  const id = isQuery ? searchParams.get("id") : /^\/file\/(?:u\/\d{1,2}\/)?d\/([\w-]+)(?:\/|$)/.exec(pathname)?.[1];
  if (!isToken(id)) return href;
  const key = searchParams.get("resourcekey");
  return `https://drive.google.com/uc?export=download&id=${id}${isToken(key) ? `&resourcekey=${key}` : ""}`;
}

/** What Google's ids and keys are made of; anything else would need encoding, and is not one. */
function isToken(text: string | null | undefined): text is string {
  return typeof text === "string" && /^[\w-]+$/.test(text);
}

/**
 * The content of a shared item, by the encoded link
 * (https://learn.microsoft.com/en-us/onedrive/developer/rest-api/api/shares_get#encoding-sharing-urls). Since October
 * 2024 people report that it asks for a sign-in (https://github.com/felixrieseberg/onedrive-link/issues/1); the link
 * itself leads to a page, which is no image either. Folders, albums and `/download` links are left alone.
 */
function oneDriveFile({ href, host, pathname, searchParams }: URL): string {
  const isFile =
    host === "1drv.ms"
      ? /^\/[^/]+\/./.test(pathname) && !/^\/[fa]\//.test(pathname)
      : pathname !== "/download" &&
        (searchParams.has("resid") || searchParams.has("id")) &&
        !searchParams.get("ithint")?.startsWith("folder");
  return isFile ? `https://api.onedrive.com/v1.0/shares/u!${Buffer.from(href).toString("base64url")}/root/content` : href;
}

/**
 * `/:i:/` is the sharing link of an image; without `download=1` it leads to a preview page
 * (https://github.com/SharePoint/sp-dev-docs/issues/10492). The parameter is in use everywhere, yet in no reference.
 */
function sharePointImage({ href, pathname, searchParams }: URL): string {
  return pathname.startsWith("/:i:/") && searchParams.get("download") !== "1" ? withParameter(href, "download", "1") : href;
}

/** As text: URLSearchParams would write the other parameters anew, and a signature is of them as they were written. */
function withParameter(href: string, name: string, value: string): string {
  const [path = "", query = ""] = href.split(/\?(.*)/s);
  const others = query.split("&").filter((pair) => pair !== "" && pair.split("=")[0] !== name);
  return `${path}?${[...others, `${name}=${value}`].join("&")}`;
}

function refuse(message: string): UrlRefusal {
  return { ok: false, code: "url_invalid", message: message.toWellFormed() };
}
