type Collector<Item> = {
  /** Resolves when the item has been written. */
  add(item: Item): Promise<void>;
  /** Writes what waits, without waiting for more. */
  flush(): void;
};

type CollectorOptions<Item> = {
  /** How many are written together at most. */
  portionMax: number;
  /** How long an item waits for others; the first after a rest of that length waits `firstMs`. */
  collectMs: number;
  firstMs: number;
  /** Must not reject. */
  write(items: readonly Item[]): Promise<void>;
};

/** Gathers items into portions and writes one portion at a time. */
export function createCollector<Item>({ portionMax, collectMs, firstMs, write }: CollectorOptions<Item>): Collector<Item> {
  let waiting: { item: Item; resolve: () => void }[] = [];
  let timer: NodeJS.Timeout | undefined;
  let dueAt = Infinity;
  let writtenAt = -Infinity;
  let isWriting = false;

  const writeBy = (at: number) => {
    if (at >= dueAt) return;
    clearTimeout(timer);
    dueAt = at;
    // While a portion is being written, the time is looked at when that is done.
    if (!isWriting) timer = setTimeout(() => void writePortions(), Math.max(0, at - performance.now()));
  };
  const writePortions = async () => {
    isWriting = true;
    do {
      dueAt = Infinity;
      const portion = waiting.slice(0, portionMax);
      waiting = waiting.slice(portionMax);
      await write(portion.map(({ item }) => item));
      for (const { resolve } of portion) resolve();
      writtenAt = performance.now();
    } while (waiting.length >= portionMax || writtenAt >= dueAt);
    isWriting = false;
    const nextAt = Math.min(dueAt, writtenAt + collectMs);
    dueAt = Infinity;
    if (waiting.length > 0) writeBy(nextAt);
  };

  return {
    flush: () => void (waiting.length > 0 && writeBy(performance.now())),
    add(item) {
      return new Promise((resolve) => {
        waiting.push({ item, resolve });
        const now = performance.now();
        writeBy(waiting.length >= portionMax ? now : now + (now - writtenAt > collectMs ? firstMs : collectMs));
      });
    },
  };
}
