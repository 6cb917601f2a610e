import { createServer } from "node:http";
import { makeSamplePhoto } from "../src/image/sample-photo.ts";

/** An origin in a process of its own, so that its CPU is not counted as ours. Prints its URL; ends with its parent. */
const [width, height] = [Number(process.argv[2]), Number(process.argv[3])];
const photos = await Promise.all([1, 2, 3, 4].map((seed) => makeSamplePhoto({ width, height, seed, format: "jpeg" })));
const server = createServer((request, response) => {
  const photo = photos[Number(/(\d+)/.exec(request.url ?? "")?.[1] ?? 0) % photos.length];
  response.writeHead(200, { "content-type": "image/jpeg", "content-length": photo?.length }).end(photo);
});
server.keepAliveTimeout = 30_000;
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.send?.({ port: typeof address === "object" ? address?.port : 0, bytes: photos.reduce((sum, photo) => sum + photo.length, 0) / photos.length });
});
process.on("disconnect", () => process.exit());
