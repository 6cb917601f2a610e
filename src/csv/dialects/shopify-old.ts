import type { Dialect } from "./dialect.ts";

/** Exports until 2025, which many apps still write: https://help.shopify.com/en/manual/products/import-export/using-csv */
export const SHOPIFY_OLD: Dialect = {
  name: "shopify-old",
  title: "Shopify (columns until 2025)",
  required: [["handle"], ["imagesrc"]],
  strong: ["title", "bodyhtml", "variantsku", "imageposition", "variantimage"],
  excluding: ["handleid", "fieldtype"],
  // The handle before the SKU: all rows of a product share it, by which they take over the name, which only the first of them has.
  id: ["handle", "variantsku"],
  productName: ["title"],
  images: [
    { header: "imagesrc", cell: "single" },
    { header: "variantimage", cell: "single" },
  ],
  traps: [
    "A product takes as many rows as it has variants or images, whichever are more; only the first has its name.",
    "A row that is there for a variant has no image, one that is there for an image has no variant.",
    "Variant Image repeats an image that stands in Image Src of another row.",
  ],
};
