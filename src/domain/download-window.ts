/** How many images may be in hand before the encoders, found while running. */
export type DownloadWindow = {
  readonly size: number;
  /** An encoder has nothing to do. */
  onStarved(): void;
  /** An image has come, after `fetchMs`; so many others wait for an encoder. */
  onFetched(fetchMs: number, waiting: number): void;
  onEncoded(encodeMs: number): void;
};

/** Where nothing is known yet, or where the estimate was too low, each starved look takes half as much again. */
const GROWTH = 1.5;
/**
 * How long encoders can go on with what lies before them: images are then claimed some twenty at a time instead of
 * eight with 60 ms, and each claim is a transaction. An image of higher priority overtakes what lies there.
 */
const AHEAD_MS = 250;
/** Images do not come evenly. */
const RESERVE = 1.25;
/** Weight of a new time in its average: some thirty images are remembered. */
const NEW_WEIGHT = 1 / 32;

/**
 * The network must never starve the cores, and nothing is gained by fetching far ahead of them. The window holds what
 * Little's law asks for, the images that all encoders work off in the time that one takes to come, and wider by half
 * each time that an encoder starves all the same. More than `backlogMax` fetched images that wait for an encoder narrow
 * it by one each time, never below that: images that were asked for together come together, and a window that closes
 * over them starves the encoders right after.
 */
export function createDownloadWindow(options: { min: number; max: number; backlogMax: number; encoders: number }): DownloadWindow {
  let size = options.min;
  const fetchMs = createAverage();
  const encodeMs = createAverage();
  const needed = () =>
    options.min + (encodeMs.value > 0 ? Math.ceil((RESERVE * options.encoders * (fetchMs.value + AHEAD_MS)) / encodeMs.value) : 0);
  return {
    get size() {
      return size;
    },
    onStarved() {
      size = Math.min(options.max, Math.max(Math.ceil(size * GROWTH), needed()));
    },
    onFetched(ms, waiting) {
      fetchMs.add(ms);
      const floor = Math.min(options.max, needed());
      size = Math.max(floor, waiting > options.backlogMax ? size - 1 : size);
    },
    onEncoded: encodeMs.add,
  };
}

/** An exponentially weighted moving average that begins with its first value. */
function createAverage(): { readonly value: number; add(next: number): void } {
  let value: number | null = null;
  return {
    get value() {
      return value ?? 0;
    },
    add(next) {
      value = value === null ? next : value + (next - value) * NEW_WEIGHT;
    },
  };
}
