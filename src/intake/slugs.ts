import { slugOf } from "../domain/file-name.ts";

/**
 * Gives every product of a file a slug of its own: the serial made safe, and the line behind it where the same
 * serial came before (`shirt`, `shirt.17`; a slug itself never holds a dot).
 *
 * It remembers 32-bit hashes, not texts: 8 bytes a product at most (40 MB for 5,000,000), where a Set of strings
 * needs twenty times that. A collision of hashes only makes a name longer than it had to be.
 */
export function createSlugs(): (serial: string, line: number) => string {
  let slots = new Uint32Array(1024);
  let used = 0;

  const add = (hash: number): boolean => {
    let at = hash & (slots.length - 1);
    while (slots[at] !== 0) {
      if (slots[at] === hash) return false;
      at = (at + 1) & (slots.length - 1);
    }
    slots[at] = hash;
    used += 1;
    return true;
  };
  const grow = () => {
    const old = slots;
    slots = new Uint32Array(old.length * 2);
    used = 0;
    for (const hash of old) if (hash !== 0) add(hash);
  };

  return (serial, line) => {
    if (used * 2 >= slots.length) grow();
    const slug = slugOf(serial);
    return add(fnv1a(slug.toLowerCase())) ? slug : `${slug}.${line}`;
  };
}

/** FNV-1a, 32 bits (http://www.isthe.com/chongo/tech/comp/fnv/); 0 marks a free slot and is never returned. */
function fnv1a(text: string): number {
  let hash = 0x81_1c_9d_c5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01_00_01_93);
  }
  return hash >>> 0 || 1;
}
