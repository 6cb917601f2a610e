export type Collector<Item> = {
  /** Resolves when the item's page has been written. */
  add(item: Item): Promise<void>;
  /** Writes what waits, without waiting for more. */
  flush(): void;
};

type CollectorOptions<Item> = {
  pageMax: number;
  /** How long an item waits for others; the first after a rest of that length waits `firstMs`. */
  collectMs: number;
  firstMs: number;
  /** Must not reject. */
  write(items: readonly Item[]): Promise<void>;
};

/** Gathers items into pages and writes one page at a time. */
export function createCollector<Item>({ pageMax, collectMs, firstMs, write }: CollectorOptions<Item>): Collector<Item> {
  let waiting: { item: Item; resolve: () => void }[] = [];
  let timer: NodeJS.Timeout | undefined;
  let dueAt = Infinity;
  let writtenAt = -Infinity;
  let isWriting = false;

  const writeBy = (at: number) => {
    if (at >= dueAt) return;
    clearTimeout(timer);
    dueAt = at;
    // While a page is being written, the time is looked at when that is done.
    if (!isWriting) timer = setTimeout(() => void writePages(), Math.max(0, at - performance.now()));
  };
  const writePages = async () => {
    isWriting = true;
    do {
      dueAt = Infinity;
      const page = waiting.slice(0, pageMax);
      waiting = waiting.slice(pageMax);
      await write(page.map(({ item }) => item));
      for (const { resolve } of page) resolve();
      writtenAt = performance.now();
    } while (waiting.length >= pageMax || writtenAt >= dueAt);
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
        writeBy(waiting.length >= pageMax ? now : now + (now - writtenAt > collectMs ? firstMs : collectMs));
      });
    },
  };
}
