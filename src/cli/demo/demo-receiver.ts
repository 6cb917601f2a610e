import { createServer, type IncomingHttpHeaders } from "node:http";
import { text } from "node:stream/consumers";
import { signatureHeaders } from "../../domain/secret/webhook-signature.ts";
import { listenOnLoopback } from "./listen-on-loopback.ts";

type ReceivedEvent = { type: string; isVerified: boolean };
export type DemoReceiver = { url: string; received: Promise<ReceivedEvent>; expect(secret: string): void; close(): void };

/** A receiver of webhooks as a customer would write it: verify, then answer 200. */
export async function startDemoReceiver(): Promise<DemoReceiver> {
  const arrival = Promise.withResolvers<ReceivedEvent>();
  const secret = Promise.withResolvers<string>();
  const server = createServer((request, response) => {
    void (async () => {
      const body = await text(request);
      const isVerified = verify(await secret.promise, request.headers, body);
      response.writeHead(isVerified ? 200 : 400).end();
      arrival.resolve({ type: (JSON.parse(body) as { type: string }).type, isVerified });
    })();
  });
  const url = await listenOnLoopback(server);
  return { url: `${url}/hooks`, received: arrival.promise, expect: secret.resolve, close: () => server.close() };
}

function verify(secret: string, headers: IncomingHttpHeaders, body: string): boolean {
  const expected = signatureHeaders([secret], {
    id: String(headers["webhook-id"]),
    timestampSeconds: Number(headers["webhook-timestamp"]),
    body,
  });
  const isRecent = Math.abs(Date.now() / 1_000 - Number(headers["webhook-timestamp"])) < 300;
  return isRecent && headers["webhook-signature"] === expected["webhook-signature"];
}
