/** The seed's columns, each by the names it goes under, reduced as reduceHeader() does. */
export const SEED_DIALECT = {
  name: "seed",
  columns: {
    serial: { header: "S. No", names: ["sno", "srno", "slno", "serialno", "serialnumber", "serial", "snumber", "no", "number"] },
    name: { header: "Product Name", names: ["productname", "product", "name", "productnames"] },
    urls: {
      header: "Input Image Urls",
      names: ["inputimageurls", "inputimageurl", "inputimages", "imageurls", "imageurl", "images", "inputurls", "inputurl"],
    },
  },
} as const;

export type SeedColumn = keyof typeof SEED_DIALECT.columns;

/** Case, spaces and punctuation do not matter: `S. No.` and `s no` are the same. */
export function reduceHeader(header: string): string {
  return header.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, "");
}
