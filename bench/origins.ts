import { fork } from "node:child_process";
import { once } from "node:events";

export type Origins = {
  /** URL of image `index`; the images are spread over the origins. */ urlOf(index: number, round: string): string;
  bytes: number;
  close(): void;
};

export async function startOrigins(options: {
  width: number;
  height: number;
  origins?: number;
  latencyMs?: number;
  /** How many of a hundred answers are slow. */ slowPercent?: number;
  /** How many of the origins are slow. */ slowOrigins?: number;
  slowMs?: number;
}): Promise<Origins> {
  const { width, height, origins = 1, latencyMs = 0, slowPercent = 0, slowOrigins = 0, slowMs = 0 } = options;
  const shape = [width, height, origins, latencyMs, slowPercent, slowOrigins, slowMs];
  const child = fork(new URL("origin.ts", import.meta.url), shape.map(String));
  const [{ ports, bytes }] = (await once(child, "message")) as [{ ports: number[]; bytes: number }];
  const scheme = process.env["BENCH_TLS_FOLDER"] === undefined ? "http" : "https";
  return {
    bytes,
    urlOf: (index, round) => `${scheme}://127.0.0.1:${ports[index % ports.length]}/${index}-${round}.jpg`,
    close: () => child.disconnect(),
  };
}
