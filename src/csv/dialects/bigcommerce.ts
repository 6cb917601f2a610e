import type { Dialect } from "./dialect.ts";

/**
 * Both exports that BigCommerce has: the templates of old (`Item Type`, `Product Code/SKU`, `Product Image URL - 1`),
 * and the modern one (`Item`, `SKU`, `Internal Image URL (Export)`):
 * https://support.bigcommerce.com/articles/en_US/Knowledge/Supported-Product-Fields
 */
export const BIGCOMMERCE: Dialect = {
  name: "bigcommerce",
  title: "BigCommerce",
  required: [
    ["productcodesku", "productsku", "item"],
    [/^productimage(url|file)\d*$/, "internalimageurlexport", "imageurlimport"],
  ],
  strong: ["itemtype", "productname", "productid", "variantimageurl", "options"],
  excluding: [],
  id: ["productcodesku", "productsku", "sku", "productid", "id"],
  productName: ["productname", "name"],
  images: [
    { header: /^productimageurl\d*$/, cell: "single" },
    { header: /^productimagefile\d*$/, cell: "single", unless: /^productimageurl\d*$/ },
    { header: "variantimageurl", cell: "single" },
    { header: "internalimageurlexport", cell: "single" },
    { header: "imageurlimport", cell: "single" },
  ],
  traps: [
    "Product Image File - 1 stands twice in bulk edit exports, which is why URLs are read where there are any.",
    "Without a column of URLs, Product Image File holds paths: upload with baseUrl=https://store.example/product_images.",
    "SKU and Rule rows, and Variant and Image rows of the modern export, follow the product they belong to.",
    "The modern import reads Image URL (Import) and ignores Internal Image URL (Export).",
  ],
};
