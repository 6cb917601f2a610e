import type { Dialect } from "./dialect.ts";

const SINGLE = ["baseimage", "smallimage", "thumbnailimage", "swatchimage", "image", "thumbnail", "mediaimage"];

/**
 * Magento 2 and Adobe Commerce
 * (https://experienceleague.adobe.com/en/docs/commerce-admin/systems/data-transfer/data-attributes-product); `image`,
 * `thumbnail` and `_media_image` are Magento 1.
 */
export const MAGENTO: Dialect = {
  name: "magento",
  title: "Magento, Adobe Commerce",
  required: [["sku"], ["baseimage", "smallimage"]],
  strong: ["attributesetcode", "storeviewcode", "producttype", "name", "thumbnailimage", "additionalimages"],
  excluding: [],
  id: ["sku"],
  productName: ["name"],
  images: [
    ...SINGLE.map((header) => ({ header, cell: "single" as const, blank: "no_selection" })),
    { header: "additionalimages", cell: "list", blank: "no_selection" },
  ],
  traps: [
    "Images are paths below the shop's media folder: upload with baseUrl=https://shop.example/media/catalog/product.",
    "Base, small, thumbnail and swatch image are mostly one file, and additional_images names it again.",
    "no_selection says that there is no image.",
    "A store view has a row of its own with the same sku, without name and images unless they differ there.",
  ],
};
