import { signatureHeaders } from "../domain/webhook-signature.ts";
import type { Post } from "../net/post.ts";

export type DeliveryOutcome = {
  kind: "delivered" | "retry" | "gone" | "failed";
  /** The receiver's HTTP status, where there was an answer. */
  status: number | null;
  detail: string;
  durationMs: number;
  retryAfterMs?: number;
};

export type DeliverableEvent = { id: string; body: string };

/** `authorization`: the Authorization header, for a receiver that asks for one. */
export type DeliveryTarget = { url: string; secrets: readonly string[]; authorization: string | null };

/**
 * One attempt, as Standard Webhooks says: 2xx alone is success, a redirect is a failure like any other, 410 means
 * that the receiver wants no more.
 */
export async function deliverEvent(
  deps: { post: Post; now: () => Date },
  endpoint: DeliveryTarget,
  event: DeliverableEvent,
  signal: AbortSignal,
): Promise<DeliveryOutcome> {
  const timestampSeconds = Math.floor(deps.now().getTime() / 1_000);
  const headers = {
    "content-type": "application/json",
    ...signatureHeaders(endpoint.secrets, { id: event.id, timestampSeconds, body: event.body }),
  };
  const answer = await deps.post({ url: endpoint.url, authorization: endpoint.authorization, headers, body: event.body, signal });
  if (!answer.ok) return { kind: "retry", status: null, detail: `${answer.code}: ${answer.detail}`, durationMs: answer.durationMs };
  const { status, durationMs } = answer;
  const said = { status, durationMs, detail: `The receiver answered with status ${status}.` };
  if (status >= 200 && status < 300) return { kind: "delivered", ...said };
  if (status === 410) return { kind: "gone", ...said };
  return { kind: "retry", ...said, ...(answer.retryAfterMs === undefined ? {} : { retryAfterMs: answer.retryAfterMs }) };
}
