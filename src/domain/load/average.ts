export type Average = {
  /** 0 before the first. */
  readonly value: number;
  readonly count: number;
  add(next: number): void;
};

/** An exponentially weighted moving average that begins with its first value; `newWeight` is that of a further one. */
export function createAverage(newWeight: number): Average {
  let [value, count] = [0, 0];
  return {
    get value() {
      return value;
    },
    get count() {
      return count;
    },
    add(next) {
      value += (next - value) * (count === 0 ? 1 : newWeight);
      count += 1;
    },
  };
}
