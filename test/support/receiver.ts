import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { serve } from "./serve.ts";

export type Delivered = { headers: IncomingHttpHeaders; body: string; at: number };
const PATH = "/hooks";
export type Receiver = { url: string; deliveries: Delivered[] };

/**
 * A receiver of webhooks, which answers 200 unless the test gives another answer. What somebody of another test asks for, whose port this was
 * before, is none of them.
 */
export async function startReceiver(
  answer: (response: ServerResponse, count: number) => void = (response) => response.end(),
): Promise<Receiver> {
  const deliveries: Delivered[] = [];
  const server = createServer(async (request, response) => {
    const body = await text(request);
    if (!request.url?.startsWith(PATH)) return void response.writeHead(404).end();
    deliveries.push({ headers: request.headers, body, at: Date.now() });
    answer(response, deliveries.length);
  });
  const { url } = await serve(server);
  return { url: `${url}${PATH}`, deliveries };
}
