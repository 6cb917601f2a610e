import { inspect } from "node:util";
import type { Log } from "../observe/log.ts";
import { counted, withoutControls, duration, number } from "./plain-words.ts";

export type ProgressState = {
  done: number;
  failed: number;
  total: number;
  /** Failed images by their code, as they were when they were counted last; shown where they are those of `failed`. */
  reasons?: readonly { code: string; images: number }[];
  /** Hosts that are left alone for now, and images of theirs wait. */
  waiting?: readonly { host: string; code: string; remainingSeconds: number }[];
};
export type Progress = {
  show(state: ProgressState): void;
  /** A line of its own, above the bar. */
  note(text: string): void;
  end(): void;
};

const BAR_WIDTH = 30;
/** Without a terminal there is a line for each tenth, or each minute where a tenth takes longer: enough for a log. */
const STEP_PERCENT = 10;
const STEP_MS = 60_000;
/** The rate is that of so many seconds, which follows changes and does not jump. */
const WINDOW_MS = 15_000;

/** A bar that moves in place on a terminal, plain lines elsewhere. */
export function createProgress(out: NodeJS.WriteStream, now: () => number = () => performance.now()): Progress {
  const rate = createRate(now);
  let shown = { percent: -STEP_PERCENT, at: now() };
  let hasBar = false;
  return {
    show(state) {
      const settled = state.done + state.failed;
      const percent = state.total === 0 ? 100 : Math.floor((100 * settled) / state.total);
      const text = describe(state, rate(settled));
      if (out.isTTY) {
        out.write(`\r\u001B[K${fit(`${bar(percent)} ${String(percent).padStart(3)} %  ${text}`, out.columns)}`);
        hasBar = true;
      } else if (percent >= shown.percent + STEP_PERCENT || (percent === 100 && shown.percent < 100) || now() - shown.at >= STEP_MS) {
        shown = { percent: percent - (percent % STEP_PERCENT), at: now() };
        out.write(`${String(percent).padStart(3)} %  ${text}\n`);
      }
    },
    note(text) {
      out.write(`${hasBar ? "\r\u001B[K" : ""}${withoutControls(text)}\n`);
      hasBar = false;
    },
    end() {
      if (hasBar) out.write("\n");
      hasBar = false;
    },
  };
}

/** Images per second over the window; null until something is known. */
function createRate(now: () => number): (settled: number) => number | null {
  const seen: { at: number; settled: number }[] = [];
  return (settled) => {
    seen.push({ at: now(), settled });
    while (seen.length > 2 && now() - (seen[1]?.at ?? 0) > WINDOW_MS) seen.shift();
    const [first] = seen;
    const seconds = first ? (now() - first.at) / 1_000 : 0;
    return first && seconds >= 0.5 ? (settled - first.settled) / seconds : null;
  };
}

function describe({ done, failed, total, reasons = [], waiting = [] }: ProgressState, perSecond: number | null): string {
  const left = total - done - failed;
  // They are counted less often than images fail: an older count would not add up to the number that it stands beside.
  const areCurrent = reasons.reduce((sum, { images }) => sum + images, 0) === failed;
  const why = areCurrent ? reasons.map(({ code, images }) => `${code} ${number(images)}`).join(", ") : "";
  return [
    `${number(done + failed)}/${counted(total, "image")}`,
    `${number(failed)} failed${why === "" ? "" : ` (${why})`}`,
    ...(perSecond === null ? [] : [`${number(perSecond)} images/s`]),
    ...(perSecond === null || perSecond === 0 || left === 0 ? [] : [`${duration(left / perSecond)} left`]),
    ...describeWaiting(waiting),
  ].join(", ");
}

function describeWaiting([longest, ...others]: NonNullable<ProgressState["waiting"]>): string[] {
  if (!longest) return [];
  const { host, code, remainingSeconds } = longest;
  const more = others.length === 0 ? "" : ` and ${counted(others.length, "other host")}`;
  return [`waits for ${withoutControls(host)}${more} (${code}; ${duration(Math.ceil(remainingSeconds))} more)`];
}

function bar(percent: number): string {
  const filled = Math.round((BAR_WIDTH * percent) / 100);
  return `[${"█".repeat(filled)}${"░".repeat(BAR_WIDTH - filled)}]`;
}

/** Cut to the terminal's width, since a line that wraps cannot be written over. */
function fit(line: string, columns: number | undefined): string {
  return columns === undefined || columns === 0 || line.length < columns ? line : `${line.slice(0, Math.max(0, columns - 2))}…`;
}

/** Writes the service's warnings as lines above the bar, each at most once a minute. */
export function logTo(progress: Pick<Progress, "note">, now: () => number = () => performance.now()): Log {
  const last = new Map<string, number>();
  const say = (facts: object, event: string) => {
    if (now() - (last.get(event) ?? -Infinity) < STEP_MS) return;
    last.set(event, now());
    const { err, ...others } = facts as { err?: unknown };
    const why = err instanceof Error ? err.message : Object.keys(others).length === 0 ? "" : inspect(others, { breakLength: Infinity });
    progress.note(`Note: ${event}${why === "" ? "" : `: ${why}`}`);
  };
  return { error: say, warn: say, info: () => {}, debug: () => {} };
}
