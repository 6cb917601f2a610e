import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onCleanup } from "./cleanup.ts";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";

export type Handler = (request: IncomingMessage, response: ServerResponse, url: URL) => void;
export type Origin = {
  url: string;
  /** How often each path was asked for. */
  hits: Map<string, number>;
  close(): Promise<void>;
};

/** A server of images on loopback. `/photo/N.jpg` is a small JPEG of its own for each N; other paths go to `handle`. */
export async function startOrigin(handle: Handler = (_, response) => response.writeHead(404).end()): Promise<Origin> {
  const photo = await makeSamplePhoto({ width: 320, height: 240, seed: 7, format: "jpeg" });
  const hits = new Map<string, number>();
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://origin");
    hits.set(url.pathname, (hits.get(url.pathname) ?? 0) + 1);
    if (url.pathname.startsWith("/photo/")) response.setHeader("content-type", "image/jpeg").end(photo);
    else handle(request, response, url);
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const close = async () => {
    server.closeAllConnections();
    server.close();
  };
  onCleanup(close);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, hits, close };
}

export function catalogueOf(rows: readonly (readonly string[])[]): string {
  return [
    "S. No,Product Name,Input Image Urls",
    ...rows.map((urls, index) => `${index + 1},Product ${index + 1},"${urls.join(",")}"`),
    "",
  ].join("\n");
}
