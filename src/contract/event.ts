import Type from "typebox";
import { BATCH_OUTCOMES, EVENT_TYPES } from "../domain/batch-state.ts";
import { BASE, count, FileName, ID, Instant, Metadata, RequestId, TOKEN, Url, words } from "./terms.ts";

export const BatchEvent = Type.Object(
  {
    type: words(EVENT_TYPES, "What happened."),
    timestamp: Instant,
    data: Type.Object({
      requestId: RequestId,
      status: words(["completed", "failed"], "The batch's status."),
      outcome: words(BATCH_OUTCOMES, "How much succeeded."),
      run: Type.Integer({ minimum: 1 }),
      fileName: FileName,
      metadata: Metadata,
      progress: Type.Object({ total: count("Images."), completed: count("Images."), failed: count("Images."), skipped: count("Images."), reused: Type.Optional(count("Of those completed: linked to what an earlier batch had made.")) }),
      bytes: Type.Object({ input: count("Bytes."), output: count("Bytes.") }),
      outputCsvUrl: Url,
      statusUrl: Url,
    }),
  },
  {
    $id: "BatchEvent",
    description: "Sent once a run of a batch has ended, signed as Standard Webhooks says (webhook-id, webhook-timestamp, webhook-signature).",
    examples: [{
      type: "batch.completed", timestamp: "2026-11-23T20:00:01.000Z",
      data: {
        requestId: ID, status: "completed", outcome: "all", run: 1, fileName: "products.csv", metadata: {}, progress: { total: 2, completed: 2, failed: 0, skipped: 0 },
        bytes: { input: 280_000, output: 62_000 }, outputCsvUrl: `${BASE}/outputs/${TOKEN}/results.csv`, statusUrl: `${BASE}/getProcessingStatus/${ID}`,
      },
    }],
  },
);
