export type Progress = { show(state: { done: number; failed: number; total: number }): void; end(): void };

const BAR_WIDTH = 30;
/** Without a terminal a line for each tenth is enough for a log. */
const STEP_PERCENT = 10;

/** A bar that moves in place on a terminal, plain lines elsewhere. */
export function createProgress(out: NodeJS.WriteStream): Progress {
  let shownPercent = -STEP_PERCENT;
  return {
    show({ done, failed, total }) {
      const percent = total === 0 ? 100 : Math.floor((100 * (done + failed)) / total);
      const text = `${done + failed}/${total} images, ${failed} failed`;
      if (out.isTTY) {
        const filled = Math.round((BAR_WIDTH * percent) / 100);
        out.write(`\r[${"█".repeat(filled)}${"░".repeat(BAR_WIDTH - filled)}] ${String(percent).padStart(3)} %  ${text} `);
      } else if (percent >= shownPercent + STEP_PERCENT || (percent === 100 && shownPercent < 100)) {
        shownPercent = percent - (percent % STEP_PERCENT);
        out.write(`${String(percent).padStart(3)} %  ${text}\n`);
      }
    },
    end() {
      if (out.isTTY) out.write("\n");
    },
  };
}
