import Type from "typebox";
import { EVENT_TYPES } from "../domain/batch-state.ts";
import { BASE, Bytes, count, FileName, ID, Instant, Metadata, Outcome, PAUSE_REASON, PausedAt, PauseReason, RequestId, Status, TOKEN, Url, words } from "./terms.ts";

const EXAMPLE = {
  requestId: ID, run: 1, fileName: "products.csv", metadata: {}, outputCsvUrl: `${BASE}/outputs/${TOKEN}/results.csv`, statusUrl: `${BASE}/getProcessingStatus/${ID}`,
};

const EventProgress = Type.Object(
  { total: count("Images."), completed: count("Images."), failed: count("Images."), skipped: count("Images."), reused: Type.Optional(count("Of those completed: linked to what an earlier batch had made.")) },
  { title: "BatchEventProgress", description: "How far the batch was." },
);

export const BatchEvent = Type.Object(
  {
    type: words(EVENT_TYPES, "What happened."),
    timestamp: Instant,
    data: Type.Object({
      requestId: RequestId,
      status: Status,
      outcome: Outcome,
      run: Type.Integer({ minimum: 1 }),
      fileName: FileName,
      metadata: Metadata,
      progress: EventProgress,
      bytes: Bytes,
      pausedAt: PausedAt,
      pauseReason: PauseReason,
      outputCsvUrl: Url,
      statusUrl: Url,
    }, { title: "BatchEventData", description: "The batch as it stood then." }),
  },
  {
    $id: "BatchEvent",
    description: "Sent once a run of a batch has ended, and each time that a batch is paused or resumed, signed as Standard Webhooks says (webhook-id, webhook-timestamp, webhook-signature).",
    examples: [
      {
        type: "batch.completed", timestamp: "2026-11-23T20:00:01.000Z",
        data: { ...EXAMPLE, status: "completed", outcome: "all", progress: { total: 2, completed: 2, failed: 0, skipped: 0 }, bytes: { input: 280_000, output: 62_000 }, pausedAt: null, pauseReason: null },
      },
      {
        type: "batch.paused", timestamp: "2026-11-23T20:00:01.000Z",
        data: { ...EXAMPLE, status: "processing", outcome: null, progress: { total: 900, completed: 69, failed: 31, skipped: 0 }, bytes: { input: 9_660_000, output: 2_139_000 }, pausedAt: "2026-11-23T20:00:01.000Z", pauseReason: PAUSE_REASON },
      },
    ],
  },
);
