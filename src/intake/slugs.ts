import { slugOf } from "../domain/file-name.ts";
import { createHashSet, hash32 } from "../domain/hash-set.ts";

/**
 * Gives every row of a file a slug and the number of its first output. Rows that follow each other with one serial
 * (the variants of a product) share a slug and go on counting: `shirt-1`, `shirt-2`. Where a slug comes again further
 * down, the line's number is added to it (`shirt.17`; a slug itself never holds a dot).
 *
 * It remembers 32-bit hashes, not texts: 8 to 16 bytes a product (67 MB for 5,000,000), where a Set of strings
 * needs ten times that. A collision of hashes only makes a name longer than it had to be.
 */
export function createSlugs(): (row: { serial: string; line: number; urls: readonly unknown[] }) => { slug: string; firstNumber: number } {
  const taken = createHashSet();
  let last = { serial: "", slug: "", nextNumber: 1 };
  return ({ serial, line, urls }) => {
    if (serial !== last.serial || last.slug === "") {
      const slug = slugOf(serial);
      last = { serial, slug: taken.add(hash32(slug.toLowerCase())) ? slug : `${slug}.${line}`, nextNumber: 1 };
    }
    const firstNumber = last.nextNumber;
    last.nextNumber += urls.length;
    return { slug: last.slug, firstNumber };
  };
}
