/** A random sample of a stream of unknown length: at every moment each item offered so far is in it with the same chance. */
export type Reservoir<T> = {
  offer(item: T): void;
  /** The sample in random order, so that its first items, however many, are a random sample as well. */
  draw(): T[];
};

/** Vitter's algorithm R (https://doi.org/10.1145/3147.3165); `random` gives numbers from 0 up to 1. */
export function createReservoir<T>(size: number, random: () => number): Reservoir<T> {
  const kept: T[] = [];
  let offered = 0;
  return {
    offer(item) {
      offered += 1;
      if (kept.length < size) return void kept.push(item);
      const place = Math.floor(random() * offered);
      if (place < size) kept[place] = item;
    },
    draw: () => shuffle(kept, random),
  };
}

/** Fisher and Yates' shuffle: a reservoir is mostly in the order of the stream. */
function shuffle<T>(items: readonly T[], random: () => number): T[] {
  const drawn: T[] = [];
  for (const item of items) {
    const place = Math.floor(random() * (drawn.length + 1));
    const moved = drawn[place];
    if (moved === undefined) drawn.push(item);
    else {
      drawn[place] = item;
      drawn.push(moved);
    }
  }
  return drawn;
}
