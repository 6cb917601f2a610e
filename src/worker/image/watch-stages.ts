import { createAnswerTimes, type AnswerTimes } from "../../domain/load/answer-times.ts";
import { createDownloadWindow, type DownloadWindow } from "../../domain/load/download-window.ts";
import { createFairTurns } from "../../domain/load/fair-turns.ts";
import { createLineLoad, type Asked, type LineLoad } from "../../domain/load/line-load.ts";
import type { EncoderPool } from "../../image/pool/encoder-pool.ts";
import type { Stages } from "./stages.ts";

/**
 * Small batches have one turn at the encoders together, of so many images: one that begins is through in little more than its own time, and
 * a stream of them leaves a large batch a fifth. Which images are claimed at all is decided by the tags.
 */
const SMALL_BATCHES = "small batches";
const SMALL_WEIGHT = 4;

/** The stages as their rooms give them. */
export type GivenStages = Omit<Stages, "onFetched" | "encode"> & Pick<EncoderPool, "encode">;
export type Encoders = Pick<EncoderPool, "idle" | "waiting" | "size">;

/** The stages, and what learns from them how much to claim: the window what the encoders can take, the line load what the line can. */
export function watchStages(
  stages: GivenStages,
  { encoders, downloads, onBytes: onAnyBytes }: { encoders: Encoders; downloads: number; onBytes(): void },
): {
  stages: Stages;
  window: DownloadWindow;
  line: LineLoad;
} {
  const answers = createAnswerTimes(() => performance.now());
  const line = createLineLoad(() => performance.now());
  const window = createDownloadWindow({ encoders: encoders.size, max: downloads + 2 * encoders.size, answers });
  const download: Stages["download"] = async (order) => {
    let onAnswered: ReturnType<AnswerTimes["onAsked"]> | undefined;
    let asked: Asked | undefined;
    const onAsked = () => {
      onAnswered = answers.onAsked();
      asked = line.onAsked();
      order.onAsked?.();
    };
    const onBody = (bytes: number | null) => {
      asked?.onBody(bytes);
      order.onBody?.(bytes);
    };
    const onBytes = (count: number) => {
      asked?.onBytes(count);
      onAnyBytes();
      order.onBytes?.(count);
    };
    try {
      const result = await stages.download({ ...order, onAsked, onBody, onBytes });
      onAnswered?.("came");
      asked?.onEnd(!result.ok && result.failure.code === "timed_out" ? "late" : "came");
      return result;
    } finally {
      onAnswered?.("gone");
      asked?.onEnd("gone");
    }
  };
  const inTurn = createFairTurns();
  const encode: Stages["encode"] = async (task, { signal, batchId, isOfSmallBatch }) => {
    if (encoders.idle > 0) window.onStarved();
    const inPool = (turn: number) => stages.encode(task, { signal, priority: -turn });
    const encoded = await (isOfSmallBatch ? inTurn(SMALL_BATCHES, inPool, SMALL_WEIGHT) : inTurn(batchId, inPool));
    if (encoded.ok) window.onEncoded(encoded.value.encodeMs);
    return encoded;
  };
  return { window, line, stages: { ...stages, download, encode, onFetched: (fetchMs) => window.onFetched(fetchMs, encoders.waiting) } };
}
