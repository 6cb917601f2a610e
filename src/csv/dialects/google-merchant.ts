import type { Dialect } from "./dialect.ts";

/**
 * Product data for Google Merchant Center, which Meta, Pinterest and TikTok read too:
 * https://support.google.com/merchants/answer/7052112
 */
export const GOOGLE_MERCHANT: Dialect = {
  name: "google-merchant",
  title: "Google Merchant Center",
  required: [["id", "skuid"], ["title"], ["imagelink"]],
  strong: ["additionalimagelink", "link", "availability", "googleproductcategory", "condition", "gtin"],
  excluding: [],
  // TikTok calls it sku_id.
  id: ["id", "skuid"],
  productName: ["title"],
  images: [
    { header: "imagelink", cell: "single" },
    { header: "additionalimagelink", cell: "list" },
    { header: "lifestyleimagelink", cell: "list" },
  ],
  traps: [
    "A comma within a URL must be written as %2C, since a comma separates the additional ones; not every plugin does.",
    "Feeds saved by Excel as “Unicode Text” are UTF-16, those saved as “Text” Windows-1252.",
    "The header may be written image_link, image link or g:image_link.",
  ],
};
