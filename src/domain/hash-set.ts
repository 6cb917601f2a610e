/** A set of hashes that takes some 8 to 16 bytes each, for millions of texts that nobody needs back. */
type HashSet = { /** False where it was there already. */ add(hash: number): boolean; readonly size: number };

/** Hashes are whole numbers from 1; 0 marks a free slot. Up to 53 bits where `isWide`, else 32. */
export function createHashSet(options: { isWide?: boolean } = {}): HashSet {
  const create = (slots: number) => (options.isWide ? new Float64Array(slots) : new Uint32Array(slots));
  let slots = create(1024);
  let used = 0;

  const place = (hash: number): boolean => {
    let at = hash % slots.length;
    while (slots[at] !== 0) {
      if (slots[at] === hash) return false;
      at = (at + 1) % slots.length;
    }
    slots[at] = hash;
    used += 1;
    return true;
  };
  return {
    add(hash) {
      if (used * 2 >= slots.length) {
        const old = slots;
        slots = create(old.length * 2);
        used = 0;
        for (const known of old) if (known !== 0) place(known);
      }
      return place(hash);
    },
    get size() {
      return used;
    },
  };
}

/** FNV-1a, 32 bits (http://www.isthe.com/chongo/tech/comp/fnv/); never 0. */
export function hash32(text: string): number {
  return fnv1a(text, 0x81_1c_9d_c5) || 1;
}

/** 53 bits of two FNV-1a hashes: of 180 sets of 10,000,000 texts one has a collision. */
export function hash53(text: string): number {
  return fnv1a(text, 0x81_1c_9d_c5) * 0x20_00_00 + (fnv1a(text, 0x01_00_01_93) >>> 11) || 1;
}

function fnv1a(text: string, basis: number): number {
  let hash = basis;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01_00_01_93);
  return hash >>> 0;
}
