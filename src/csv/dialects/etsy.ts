import type { Dialect } from "./dialect.ts";

/** The file of listings that a shop can download (Settings, Options, Download Data). */
export const ETSY: Dialect = {
  name: "etsy",
  title: "Etsy",
  required: [["sku"], ["title"], [/^image\d{1,2}$/]],
  strong: ["description", "currencycode", "materials", "tags", "variation1type"],
  excluding: ["handle", "handleid"],
  id: ["sku"],
  productName: ["title"],
  images: [{ header: /^image\d{1,2}$/, cell: "single" }],
  traps: [
    "Descriptions hold line breaks, so that rows and lines differ.",
    "The SKU is optional: where it is empty, the line number names the outputs.",
    "A listing with variations has all their SKUs in one cell, separated by commas.",
    "Titles hold HTML entities such as &quot;.",
  ],
};
