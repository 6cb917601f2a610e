import type { CatalogueProduct } from "../csv/read-product.ts";
import { cleanImageUrl } from "../domain/url/clean-image-url.ts";
import type { UploadWarning } from "../domain/batch/csv-problem.ts";
import { findExpiry, mayExpire } from "../domain/url/link-expiry.ts";

/** Millions of images take a night: a link that expires within a day may expire before its turn comes. */
const SOON_MS = 24 * 3600 * 1_000;

type Seen = { line: number; images: number };

/** Looks at links that are signed for a time, and warns of those that have expired or soon will. */
export function createLinkWatch({ now, baseUrl }: { now: number; baseUrl: string | null }): {
  look(product: CatalogueProduct): void;
  warnings(): UploadWarning[];
} {
  let expired: Seen | null = null;
  let soon: Seen | null = null;
  let earliestMs = Infinity;
  const count = (seen: Seen | null, line: number): Seen => ({ line: seen?.line ?? line, images: (seen?.images ?? 0) + 1 });

  return {
    look({ line, urls }) {
      for (const text of urls) {
        if (!mayExpire(text)) continue;
        const clean = cleanImageUrl(text, { baseUrl });
        const endsMs = clean.ok ? findExpiry(clean.href)?.getTime() : undefined;
        if (endsMs === undefined || endsMs > now + SOON_MS) continue;
        if (endsMs <= now) expired = count(expired, line);
        else {
          soon = count(soon, line);
          earliestMs = Math.min(earliestMs, endsMs);
        }
      }
    },
    warnings() {
      const found: UploadWarning[] = [];
      if (expired)
        found.push({
          code: "links_expired",
          ...expired,
          message: `${linksOf(expired)} ${expired.images === 1 ? "has" : "have"} expired already, the first in line ${expired.line}; export the file again for fresh links.`,
        });
      if (soon)
        found.push({
          code: "links_expire_soon",
          ...soon,
          message: `${linksOf(soon)} will expire within a day, the first at ${new Date(earliestMs).toISOString()}; if the batch takes longer, export the file again and upload what failed.`,
        });
      return found;
    },
  };
}

function linksOf({ images }: Seen): string {
  return images === 1 ? "1 signed link" : `${images} signed links`;
}
