import { receiveJson, receiveNdjson } from "./receive-products.ts";
import { receiveFile, type Receive } from "./receive-upload.ts";

export const NDJSON = ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"];

/** Every way in to /v1: a file, products as JSON or line by line, or the address of a CSV, as the Content-Type says. */
export const receiveAny: Receive = (request, deps) => {
  const type = request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (type === "application/json") return receiveJson(request, deps);
  if (NDJSON.includes(type)) return receiveNdjson(request, deps);
  return receiveFile(request, deps);
};
