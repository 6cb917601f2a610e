import type { Dialect } from "./dialect.ts";

/** Wix Stores: `handleId` and `productImageUrl`, and `handle` and `media` since the catalog of 2025. */
export const WIX: Dialect = {
  name: "wix",
  title: "Wix Stores",
  required: [["handleid", "handle"], ["fieldtype"], ["productimageurl", "media"]],
  strong: ["handleid", "name", "collection", "visible", "productoptionname1", "plaindescription"],
  excluding: [],
  id: ["handleid", "handle", "sku"],
  productName: ["name"],
  images: [
    { header: "productimageurl", cell: "list" },
    { header: "media", cell: "list" },
  ],
  // Exports name files of Wix's media manager, which serves every shop from here.
  baseUrl: "https://static.wixstatic.com/media/",
  traps: [
    "Several images stand in one cell, separated by semicolons.",
    "Exports hold file names of the media manager such as 11062b_0f~mv2.jpg instead of URLs.",
    "Variant rows have the handle of their product and neither name nor image; newer files have a MEDIA row for each image.",
  ],
};
