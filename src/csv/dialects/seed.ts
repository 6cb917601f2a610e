import type { Dialect } from "./dialect.ts";

const SERIALS = ["sno", "srno", "slno", "serialno", "serialnumber", "serial", "snumber", "no", "number"];
const NAMES = ["productname", "product", "name", "productnames"];
const URLS = ["inputimageurls", "inputimageurl", "inputimages", "imageurls", "imageurl", "images", "inputurls", "inputurl"];

/** The columns that this service began with. */
export const SEED: Dialect = {
  name: "seed",
  title: "Pressrun",
  required: [SERIALS, NAMES, URLS],
  strong: ["sno", "serialnumber", "productname", "inputimageurls"],
  excluding: [],
  id: SERIALS,
  productName: NAMES,
  images: URLS.map((header) => ({ header, cell: "list" as const })),
  traps: ["An unquoted list of URLs in the last column runs into cells of its own."],
};
