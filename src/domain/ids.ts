const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const TOKEN = /^[A-Za-z0-9_-]{22}$/;

/** The one tenant of today. */
export const DEFAULT_TENANT_ID = "00000000-0000-7000-8000-000000000000";

/** As we write it ourselves, in lower case: what comes from outside is lower-cased first. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** A batch's token, which stands in the URLs of its outputs: 128 random bits as base64url. */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** Tells an image from all others in maps and sets, whose keys cannot have two parts. */
export function imageId({ batchId, ordinal }: { batchId: string; ordinal: number }): string {
  return `${batchId}/${ordinal}`;
}
