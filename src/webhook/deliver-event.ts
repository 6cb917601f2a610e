import { signatureHeaders } from "../domain/secret/webhook-signature.ts";
import type { Post } from "./post.ts";

export type DeliveryOutcome = {
  kind: "delivered" | "retry" | "gone";
  /** The receiver's HTTP status, where there was an answer. */
  status: number | null;
  detail: string;
  durationMs: number;
  retryAfterMs?: number;
  /** It held its place for long and had no answer; null where that is not known. */
  wasMute?: boolean | null;
};

export type DeliverableEvent = { id: string; body: string };

/** `authorization`: the Authorization header, for a receiver that asks for one. */
export type DeliveryTarget = { url: string; secrets: readonly string[]; authorization: string | null };

/** So long without an answer, whatever it ends with: a look-up of a mute name server takes 10 to 30 s, and is no timeout of ours. */
const MUTE_MS = 5_000;

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
  if (!answer.ok) {
    const { code, detail, durationMs } = answer;
    return { kind: "retry", status: null, detail: `${code}: ${detail}`, durationMs, wasMute: wasMute(code, durationMs) };
  }
  const { status, durationMs } = answer;
  const said = { status, durationMs, detail: `The receiver answered with status ${status}.` };
  if (status >= 200 && status < 300) return { kind: "delivered", ...said };
  if (status === 410) return { kind: "gone", ...said };
  return { kind: "retry", ...said, ...(answer.retryAfterMs === undefined ? {} : { retryAfterMs: answer.retryAfterMs }) };
}

function wasMute(code: string, durationMs: number): boolean | null {
  if (code === "timed_out" || durationMs >= MUTE_MS) return true;
  // It may have shared a look-up that had begun long before.
  return code === "dns_failed" ? null : false;
}
