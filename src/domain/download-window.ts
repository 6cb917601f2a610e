/**
 * How many images may be in hand before the encoders, found while running. The network must never starve the
 * cores, and nothing is gained by fetching far ahead of them: an encoder that waits widens the window by a
 * quarter, more than `backlogMax` fetched images waiting for an encoder narrow it by one each time.
 */
export type DownloadWindow = { readonly size: number; onStarved(): void; onFetched(waiting: number): void };

export function createDownloadWindow(options: { min: number; max: number; backlogMax: number }): DownloadWindow {
  let size = options.min;
  return {
    get size() {
      return size;
    },
    onStarved() {
      size = Math.min(options.max, Math.ceil(size * 1.25));
    },
    onFetched(waiting) {
      if (waiting > options.backlogMax) size = Math.max(options.min, size - 1);
    },
  };
}
