export type Alarm = {
  /** Ends the sleep; where nobody sleeps, the next one at once. */
  ring(): void;
  /** Until somebody rings, or the time is over. */
  sleep(ms: number): Promise<void>;
};

/** For one who sleeps. */
export function createAlarm(): Alarm {
  let hasRung = false;
  let wakeUp = () => {};
  return {
    ring() {
      hasRung = true;
      wakeUp();
    },
    async sleep(ms) {
      if (!hasRung) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          wakeUp = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      hasRung = false;
    },
  };
}
