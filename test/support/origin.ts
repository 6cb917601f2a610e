import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { makeSamplePhoto } from "../../src/image/sample-photo.ts";
import { serve } from "./serve.ts";

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
  return { ...(await serve(server)), hits };
}

export function catalogueOf(rows: readonly (readonly string[])[]): string {
  return [
    "S. No,Product Name,Input Image Urls",
    ...rows.map((urls, index) => `${index + 1},Product ${index + 1},"${urls.join(",")}"`),
    "",
  ].join("\n");
}
