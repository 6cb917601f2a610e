import { once } from "node:events";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { request } from "node:http";
import { json } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type { Accepted } from "../src/contract/upload.ts";

const BOUNDARY = "pressrun-bench-boundary";

/** A form with one file, streamed from the disk. */
export async function uploadFile(url: string, path: string): Promise<Accepted> {
  const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="catalogue.csv"\r\nContent-Type: text/csv\r\n\r\n`;
  const tail = `\r\n--${BOUNDARY}--\r\n`;
  const { size } = await stat(path);
  const sending = request(`${url}/uploadAndProcessDocument`, {
    method: "POST",
    headers: { "content-type": `multipart/form-data; boundary=${BOUNDARY}`, "content-length": head.length + size + tail.length },
  });
  const answered = once(sending, "response");
  await pipeline(async function* () {
    yield head;
    yield* createReadStream(path, { highWaterMark: 256 * 1024 });
    yield tail;
  }, sending);
  const [response] = await answered;
  const answer = await json(response);
  if (response.statusCode !== 202)
    throw new Error(`the upload was answered ${response.statusCode}: ${JSON.stringify(answer).slice(0, 500)}`);
  return answer as Accepted;
}
