import { readFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { join } from "node:path";
import { makeSamplePhoto } from "../src/image/sample-photo.ts";

/**
 * Origins in a process of their own, so that their CPU is not counted as ours; they end with their parent. Arguments:
 * width, height, how many, latency in ms, how many of a hundred answers are slow, how many of the origins are, and how slow in ms.
 * They speak TLS where BENCH_TLS_FOLDER has a key and a certificate, and answer BENCH_GONE_PERCENT of a hundred with 404, to see that a
 * benchmark fails.
 */
const [width = 600, height = 450, origins = 1, latencyMs = 0, slowPercent = 0, slowOrigins = 0, slowMs = 0] = process.argv
  .slice(2)
  .map(Number);
const tlsFolder = process.env["BENCH_TLS_FOLDER"];
const gonePercent = Number(process.env["BENCH_GONE_PERCENT"] ?? 0);
const photos = await Promise.all([1, 2, 3, 4].map((seed) => makeSamplePhoto({ width, height, seed, format: "jpeg" })));

function startOrigin(_: unknown, index: number): Promise<number> {
  const onRequest: RequestListener = (request, response) => {
    const number = Number(/(\d+)/.exec(request.url ?? "")?.[1] ?? 0);
    const photo = photos[number % photos.length];
    const etag = `"${number % photos.length}"`;
    const answer = () => {
      if (number % 100 < gonePercent) return void response.writeHead(404).end();
      if (request.headers["if-none-match"] === etag) return void response.writeHead(304, { etag }).end();
      response.writeHead(200, { "content-type": "image/jpeg", "content-length": photo?.length, etag }).end(photo);
    };
    const isSlow = index < slowOrigins || number % 100 < slowPercent;
    const delayMs = isSlow ? slowMs : latencyMs;
    if (delayMs === 0) answer();
    else setTimeout(answer, delayMs);
  };
  const server = tlsFolder === undefined ? createServer(onRequest) : createTlsServer(readKey(tlsFolder), onRequest);
  server.keepAliveTimeout = 30_000;
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address ? address.port : 0);
    });
  });
}

function readKey(folder: string): { key: Buffer; cert: Buffer } {
  return { key: readFileSync(join(folder, "key.pem")), cert: readFileSync(join(folder, "cert.pem")) };
}

const ports = await Promise.all(Array.from({ length: origins }, startOrigin));
process.send?.({ ports, bytes: photos.reduce((sum, photo) => sum + photo.length, 0) / photos.length });
process.on("disconnect", () => process.exit());
