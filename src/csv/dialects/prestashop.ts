import type { Dialect } from "./dialect.ts";

const IDS = ["productid", "id", "idproduit", "produktid", "idproducto", "idprodotto", "idproduktu", "idproduto"];

/** The files of the importer (Advanced Parameters, Import), products and combinations. */
export const PRESTASHOP: Dialect = {
  name: "prestashop",
  title: "PrestaShop",
  // `Image URLs (x,y,z...)`, and `URL des images (x,y,z...)` in French.
  required: [IDS, [/url.*xyz$/]],
  strong: ["active01", "name", "categoriesxyz", "tagsxyz", "reference", "deleteexistingimages0no1yes"],
  excluding: [],
  id: IDS,
  productName: ["name", "nom", "nombre", "nome", "nazwa", "naam", "productreference"],
  images: [{ header: /url.*xyz$/, cell: "list" }],
  traps: [
    "Cells are separated by semicolons, URLs within a cell by commas.",
    "Headers carry marks such as `Name *` and `Reference #`.",
    "Combinations have a file of their own, without names.",
  ],
};
