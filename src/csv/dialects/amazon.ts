import type { Dialect } from "./dialect.ts";

/**
 * Category templates and reports. The header is the row of attribute names (`item_sku`; since 2023 `contribution_sku#1.value` and
 * `main_product_image_locator[…]#1.media_location`), not the row of labels above it, which are in the language of the seller.
 */
export const AMAZON: Dialect = {
  name: "amazon",
  title: "Amazon",
  required: [
    ["itemsku", /^contributionsku\d*value$/],
    ["mainimageurl", /^mainproductimagelocator.*medialocation$/],
  ],
  strong: ["feedproducttype", "itemname", "brandname", "parentchild", "recordaction", /^producttype\d*value$/, /^itemname.*value$/],
  excluding: [],
  id: ["itemsku", /^contributionsku\d*value$/],
  productName: ["itemname", /^itemname.*value$/],
  images: [
    { header: /^(main|other|swatch)imageurl\d*$/, cell: "single" },
    { header: /^(main|other)offerimage\d*$/, cell: "single" },
    { header: /imagelocator.*medialocation$/, cell: "single" },
  ],
  traps: [
    "The header is the third line of older templates and the fourth or fifth of newer ones; what stands above it must stay.",
    "Newer templates have an example product right below the header.",
    "Saved from Excel as “Text (Tab delimited)” the file is Windows-1252, as “Unicode Text” UTF-16.",
    "A parent often has no image, or that of its first child.",
  ],
};
