import type { AnswerTimes } from "./answer-times.ts";
import { createAverage } from "./average.ts";

/** How many images may be in hand that no encoder has yet; adjusted while running. */
export type DownloadWindow = {
  /** While there is more to come. */
  readonly size: number;
  /** At the end of all there is to do. */
  readonly sizeAtEnd: number;
  /** Called when an encoder has nothing to do. */
  onStarved(): void;
  /** Called when an image has come after `fetchMs`, with the number of those that wait for an encoder. */
  onFetched(fetchMs: number, waiting: number): void;
  onEncoded(encodeMs: number): void;
};

/** The smallest window, and how many may wait for an encoder before it narrows. */
const IMAGES_PER_ENCODER = 4;
/** Where nothing is known yet, or the estimate is too low, the window grows by half each time that an encoder starves. */
const GROWTH = 1.5;
/**
 * For how long images that wait before the encoders keep them busy. Each claim is a transaction: with 250 ms it takes some twenty
 * images, with 60 ms it took eight. An image of another batch takes turns with those that wait.
 */
const AHEAD_MS = 250;
/** A quarter more than is needed on average, since images do not come evenly. */
const RESERVE = 1.25;
/** Weight of a new time in its average: some thirty images are remembered. */
const NEW_WEIGHT = 1 / 32;
/** So many images are in hand at the end at most, however quickly they are encoded. */
const AT_END_MAX = 4_000;

/**
 * The network must never starve the cores, and nothing is gained by fetching far ahead of them. By Little's law the window
 * needs as many images as all encoders work off in the time that one takes to come. It widens by half each time that an
 * encoder starves all the same, and narrows by one with each image that comes while more than four for each encoder
 * wait, but never below what the law asks for: images that were asked for together come together, and a window that
 * closes over them would starve the encoders right after.
 *
 * At the end of all there is to do, nothing fills the time in which a slow answer is awaited. There the window holds what the encoders
 * work off in that time, so that they are still busy when the last slow answer comes
 * (docs/adr/0011-fetching-ahead.md).
 */
export function createDownloadWindow({
  encoders,
  max,
  answers,
}: {
  encoders: number;
  max: number;
  answers: Pick<AnswerTimes, "slowestMs">;
}): DownloadWindow {
  const min = IMAGES_PER_ENCODER * encoders;
  let size = min;
  const fetchMs = createAverage(NEW_WEIGHT);
  const encodeMs = createAverage(NEW_WEIGHT);
  const workedOffIn = (ms: number) => (encodeMs.value > 0 ? (encoders * ms) / encodeMs.value : 0);
  const needed = () => min + Math.ceil(RESERVE * workedOffIn(fetchMs.value + AHEAD_MS));
  return {
    get size() {
      return size;
    },
    get sizeAtEnd() {
      return Math.max(size, Math.min(AT_END_MAX, min + Math.ceil(workedOffIn(answers.slowestMs + AHEAD_MS))));
    },
    onStarved() {
      size = Math.min(max, Math.max(Math.ceil(size * GROWTH), needed()));
    },
    onFetched(ms, waiting) {
      fetchMs.add(ms);
      const floor = Math.min(max, needed());
      size = Math.max(floor, waiting > min ? size - 1 : size);
    },
    onEncoded: encodeMs.add,
  };
}
