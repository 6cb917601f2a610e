/** Where somebody who wonders about our requests finds us, unless the operator says who is meant. */
const HOME = "https://www.npmjs.com/package/pressrun";

/** How we introduce ourselves, with a way to reach who runs this: `Pressrun/1.2.3 (+https://shop.example/bots)`. */
export function userAgent(version: string, contact: string | null): string {
  const reach = contact ?? HOME;
  return `Pressrun/${version} (${reach.includes("://") ? "+" : ""}${reach})`;
}

/** An address of the web or of mail, in signs that fit into the header's comment (RFC 9110 §5.6.5). */
export function isContact(text: string): boolean {
  if (!/^[!-~]{3,200}$/.test(text) || /[()\\]/.test(text)) return false;
  return /^https?:\/\//i.test(text) ? URL.canParse(text) : /^[^@/]+@[^@/]+\.[^@/.]+$/.test(text);
}
