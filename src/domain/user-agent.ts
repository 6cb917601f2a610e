/** Names us and a way to reach the operator: `Pressrun/1.2.3 (+https://shop.example/bots)`. */
export function userAgent(version: string, contact: string | null): string {
  return `Pressrun/${version} (${contact === null ? "no contact given" : `${contact.includes("://") ? "+" : ""}${contact}`})`;
}

/** Whether it is a web or mail address, in characters that may stand in the header's comment (RFC 9110 §5.6.5). */
export function isContact(text: string): boolean {
  if (!/^[!-~]{3,200}$/.test(text) || /[()\\]/.test(text)) return false;
  return /^https?:\/\//i.test(text) ? URL.canParse(text) : /^[^@/]+@[^@/]+\.[^@/.]+$/.test(text);
}
