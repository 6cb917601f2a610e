import type { Layout } from "../domain/batch/catalogue-facts.ts";
import { formatCell } from "./write-result.ts";

/** Products that came as JSON are written to a CSV in UTF-8, a row each, so that everything that follows is the same as for a file. */
export const TABLE_LAYOUT: Layout = {
  delimiter: ",",
  dialect: null,
  headerLine: 0,
  header: ["id", "name", "images"],
  baseUrl: null,
  columns: { id: [0], name: [1], images: [{ index: 2, cell: "lines" }] },
};

export type TableProduct = { id?: string; name?: string; images: readonly string[] };

export function tableHead(): string {
  return `${TABLE_LAYOUT.header.join(",")}\n`;
}

/** None of `images` may hold a line break, which divides them here. */
export function tableRow({ id = "", name = "", images }: TableProduct): string {
  return `${[id, name, images.join("\n")].map((cell) => formatCell(cell, ",")).join(",")}\n`;
}
