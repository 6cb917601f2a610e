import { csvOfUrl, IMAGE_COLUMN, invalidCsv, type HostileCase } from "./hostile-case.ts";

/** A cell, and what is said of it. */
const CELLS: [name: string, cell: string, says: RegExp][] = [
  ["a user and a password", "https://user:secret@shop.example/a.jpg", /^(?!.*secret).*user name or password/s],
  ["a user alone", "https://user@shop.example/a.jpg", /user name or password/],
  ["javascript:", "javascript:alert(1)", /begins with "javascript:"/],
  ["data:", `data:image/png;base64,${"iVBORw0KGgo".repeat(20)}`, /begins with "data:"/],
  ["ftp:", "ftp://user:secret@shop.example/a.jpg", /^(?!.*secret).*begins with "ftp:"/s],
  ["file:", "file:///etc/passwd", /begins with "file:"/],
  ["mailto:", "mailto:shop@shop.example", /begins with "mailto:"/],
  ["blob:", "blob:https://shop.example/0f3c", /begins with "blob:"/],
  ["a scheme in capitals", "JavaScript:alert(1)", /begins with "JavaScript:"/],
  ["a scheme of 100 kB", `${"x".repeat(100_000)}:y`, /begins with/],
  ["a path of Windows", "C:\\photos\\mug.jpg", /a file on a computer/],
  ["a share of Windows", "\\\\nas\\photos\\mug.jpg", /a file on a computer/],
  ["a path without a base", "/media/mug.jpg", /baseUrl=/],
  ["a name without a scheme", "www.shop.example/mug.jpg", /https:\/\/www\.shop\.example/],
  ["one slash", "https:/shop.example/a.jpg", /begins with "https:"/],
  ["no host", "http:///", /cannot be parsed/],
  ["no host, with a query", "https://?x=1", /cannot be parsed/],
  ["a blank in the host", "https://shop example/a.jpg", /cannot be parsed/],
  ["a port beyond 65535", "https://shop.example:99999/a.jpg", /cannot be parsed/],
  ["an IPv6 address that is not closed", "https://[::1/a.jpg", /cannot be parsed/],
  ["an IPv4 address of five parts", "https://1.2.3.4.5/a.jpg", /cannot be parsed/],
  ["an encoded slash in the host", "https://shop.example%2fa.jpg", /cannot be parsed/],
  ["a name of characters that no name has", "https://shop^.example/a.jpg", /cannot be parsed/],
  ["9,000 characters", `https://shop.example/${"a".repeat(8_979)}`, /9000 characters of at most 8192/],
  ["9,000 characters once encoded", `https://shop.example/${"ä".repeat(3_000)}`, /once encoded/],
  ["a control character", "https://shop.example/a\u0001.jpg", /control character/],
  ["a delete character", "https://shop.example/a\u007F.jpg", /control character/],
  ["a word in words", "see attachment", /absolute http or https URL/],
  ["emoji", "🖼️", /absolute http or https URL/],
  ["a formula", "=HYPERLINK(1)", /absolute http or https URL/],
  ["a template that was not filled", "{{image_url}}", /absolute http or https URL/],
  ["the end of a signed link that broke in two", "filename=a.jpg&X-Amz-Signature=secret", /^(?!.*secret)(?!.*a\.jpg).*got "filename=…"/s],
  ["markup", "<img src=x onerror=alert(1)>", /absolute http or https URL/],
];

export const BAD_URLS: HostileCase[] = CELLS.map(([name, cell, says]) => ({
  name: `a URL: ${name}`,
  make: () => ({ body: csvOfUrl(cell), type: "text/csv" }),
  ...invalidCsv([2, IMAGE_COLUMN, "url_invalid"], says),
}));
