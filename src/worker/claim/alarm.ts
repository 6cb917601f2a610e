type Alarm = {
  /** Ends the sleep, or, where nobody sleeps, the next sleep as soon as it begins. */
  ring(): void;
  /** Resolves when somebody rings, or when the time is over. */
  sleep(ms: number): Promise<void>;
};

/** For one sleeper at a time. */
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
