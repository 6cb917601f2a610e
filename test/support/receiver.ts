import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { onCleanup } from "./cleanup.ts";

export type Delivered = { headers: IncomingHttpHeaders; body: string; at: number };
export type Receiver = { url: string; deliveries: Delivered[] };

/** Takes webhooks; answers 200 unless the test says otherwise. */
export async function startReceiver(
  answer: (response: ServerResponse, count: number) => void = (response) => response.end(),
): Promise<Receiver> {
  const deliveries: Delivered[] = [];
  const server = createServer(async (request, response) => {
    const body = await text(request);
    deliveries.push({ headers: request.headers, body, at: Date.now() });
    answer(response, deliveries.length);
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  onCleanup(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`, deliveries };
}
