import type { Dialect } from "./dialect.ts";

/** The export of all products of a store. */
export const SQUARESPACE: Dialect = {
  name: "squarespace",
  title: "Squarespace",
  required: [["sku", "productidnoneditable"], ["hostedimageurls"]],
  strong: ["title", "productidnoneditable", "variantidnoneditable", "productpage", "optionname1"],
  excluding: [],
  id: ["sku", "productidnoneditable", "variantidnoneditable"],
  productName: ["title"],
  images: [{ header: "hostedimageurls", cell: "list" }],
  traps: [
    "URLs are separated by spaces or line breaks, and a space within one is written as + or %20.",
    "Only the first row of a product has its title, its id and its images.",
  ],
};
