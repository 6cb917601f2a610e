import type { Dialect } from "./dialect.ts";

// The exporter writes the headers in the language of the shop. These are English, German, French, Spanish, Italian, Dutch,
// Portuguese, Polish, Swedish, Danish and Norwegian, with the words of earlier releases.
const SKUS = ["sku", "artikelnummer", "ugs", "cod", "ref", "referencia", "varenummer"];
const NAMES = ["name", "nom", "nombre", "nome", "naam", "nazwa", "namn", "navn"];
const IMAGES = [
  "images",
  "bilder",
  "imágenes",
  "imagenes",
  "immagini",
  "immagine",
  "afbeeldingen",
  "imagens",
  "obrazki",
  "zdjęcia",
  "billeder",
];

/**
 * The built-in exporter, not the CSV suites sold beside it:
 * https://github.com/woocommerce/woocommerce/blob/trunk/plugins/woocommerce/includes/export/class-wc-product-csv-exporter.php
 */
export const WOOCOMMERCE: Dialect = {
  name: "woocommerce",
  title: "WooCommerce",
  required: [["id", ...SKUS], NAMES, IMAGES],
  strong: [
    "type",
    "typ",
    "tipo",
    "rodzaj",
    "published",
    "veröffentlicht",
    "publié",
    "publicado",
    "pubblicato",
    "gepubliceerd",
    "opublikowano",
    "publicerad",
    "udgivet",
    "visibilityincatalog",
    "sichtbarkeitimkatalog",
    "visibilitédanslecatalogue",
    "visibilidadenelcatálogo",
    "visibilitànelcatalogo",
    "zichtbaarheidincatalogus",
    "visibilidadenocatálogo",
    "visibilidadenocatalogo",
    "widocznośćwkatalogu",
    "synlighetikatalog",
  ],
  excluding: ["handle", "handleid"],
  id: [...SKUS, "id"],
  productName: NAMES,
  images: IMAGES.map((header) => ({ header, cell: "list" as const })),
  traps: [
    "Headers are in the language of the shop.",
    "A comma within a URL is written as `\\,`; URLs are separated by a comma and a space.",
    "What begins with =, +, - or @ has an apostrophe before it, which is not part of the name.",
    "A variation is a row of its own, and its image may be missing or be one of its product's.",
  ],
};
