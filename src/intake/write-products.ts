import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ProblemList } from "../csv/problem-list.ts";
import { tableHead, tableRow, type TableProduct } from "../csv/products-table.ts";
import type { CsvProblem } from "../domain/batch/csv-problem.ts";

type WrittenProducts = { ok: true; bytes: number } | { ok: false; problems: CsvProblem[]; problemCount: number };

/** Rows are handed to the file in pieces of about this many characters. */
const PIECE_CHARS = 64 * 1024;

/**
 * Writes products that came as JSON to a CSV, which is then read like any upload, or tells which values are no products. A value
 * that is an Error stands for a product that could not even be parsed.
 */
export async function writeProducts(values: AsyncIterable<unknown> | Iterable<unknown>, path: string): Promise<WrittenProducts> {
  const found = new ProblemList();
  let bytes = 0;
  const pieces = async function* () {
    let text = tableHead();
    let number = 0;
    for await (const value of values) {
      number += 1;
      const product = readProduct(value);
      if (typeof product === "string") found.add([{ line: number, column: null, code: "product_invalid", message: product }]);
      else text += tableRow(product);
      if (text.length < PIECE_CHARS) continue;
      bytes += Buffer.byteLength(text);
      yield text;
      text = "";
    }
    bytes += Buffer.byteLength(text);
    yield text;
  };
  // Not the generator itself: its pipeline would end before a file that is still to be opened is, which then comes after its removal.
  await pipeline(Readable.from(pieces(), { objectMode: false }), createWriteStream(path));
  return found.count > 0 ? { ok: false, problems: found.listed, problemCount: found.count } : { ok: true, bytes };
}

const EXAMPLE = '{"id":"MUG-1","name":"Mug","images":["https://…"]}';
const MEMBERS = ["id", "name", "images"];

/** The product, or the sentence that says why it is none. */
function readProduct(value: unknown): TableProduct | string {
  if (value instanceof Error) return `Expected JSON such as ${EXAMPLE}, got a line that is none: ${value.message}.`;
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return `Expected an object such as ${EXAMPLE}, got ${value === null ? "null" : Array.isArray(value) ? "a list" : `a ${typeof value}`}.`;
  const { id, name, images } = value as Record<string, unknown>;
  const unknown = Object.keys(value).find((member) => !MEMBERS.includes(member));
  if (unknown !== undefined) return `Expected the members id, name and images, got "${unknown.slice(0, 60).toWellFormed()}"; leave it out.`;
  if (!Array.isArray(images) || !images.every((image) => typeof image === "string"))
    return `Expected images as a list of URLs, such as ${EXAMPLE}.`;
  if (typeof id === "number" && !Number.isSafeInteger(id))
    return `Expected id as text or as a whole number up to ${Number.MAX_SAFE_INTEGER}, got a number whose digits may not be kept; put it in quotes.`;
  const product = { id: typeof id === "number" ? String(id) : (id ?? ""), name: name ?? "", images: images as string[] };
  if (typeof product.id !== "string" || typeof product.name !== "string") return "Expected id and name as text.";
  if (product.id.trim() === "" && product.name.trim() === "" && images.length === 0)
    return "Expected an id, a name or images, got none of them.";
  return findTextFault([product.id, product.name, ...product.images], product.images) ?? { ...product, id: product.id, name: product.name };
}

function findTextFault(texts: readonly string[], images: readonly string[]): string | null {
  if (texts.some((text) => text.includes("\0") || !text.isWellFormed()))
    return "Expected text, got a NUL or half of a surrogate pair in it.";
  if (images.some((image) => /[\r\n]/.test(image) || image.trim() === ""))
    return "Expected each of images to be one URL, got an empty one or one with a line break.";
  return null;
}
