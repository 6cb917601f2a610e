import type { Dialect } from "./dialect.ts";

/** Exports since 2025: https://help.shopify.com/en/manual/products/import-export/using-csv */
export const SHOPIFY: Dialect = {
  name: "shopify",
  title: "Shopify",
  required: [["urlhandle", "handle"], ["productimageurl"]],
  strong: ["title", "urlhandle", "productcategory", "publishedononlinestore", "imageposition", "variantimageurl"],
  excluding: ["handleid", "fieldtype"],
  id: ["urlhandle", "handle", "sku"],
  productName: ["title"],
  images: [
    { header: "productimageurl", cell: "single" },
    { header: "variantimageurl", cell: "single" },
  ],
  traps: [
    "A product takes as many rows as it has variants or images, whichever are more; only the first has its name.",
    "A row that is there for a variant has no image, one that is there for an image has no variant.",
    "Variant image URL repeats an image that stands in Product image URL of another row.",
  ],
};
