import { createServer } from "node:http";
import { makeSamplePhoto, type SamplePhoto } from "../../image/sample-photo.ts";
import { listenOnLoopback } from "./listen-on-loopback.ts";

type DemoOrigin = { url: string; catalogue: string; imagesThatShouldFail: number; close(): void };

const PHOTOS: Record<string, SamplePhoto> = {
  "camera-1.jpg": { width: 3000, height: 2000, seed: 1, format: "jpeg" },
  "camera-2.jpg": { width: 3000, height: 2000, seed: 2, format: "jpeg" },
  "camera-3.jpg": { width: 2000, height: 3000, seed: 3, format: "jpeg" },
  "rotated.jpg": { width: 1600, height: 1200, seed: 4, format: "jpeg", orientation: 6 },
  "grey.jpg": { width: 1200, height: 900, seed: 5, format: "jpeg", isGrey: true },
  "cut-out.png": { width: 1000, height: 1000, seed: 6, format: "png", isTransparent: true },
  "drawing.png": { width: 900, height: 600, seed: 7, format: "png" },
  "modern.webp": { width: 1200, height: 800, seed: 8, format: "webp" },
  "newest.avif": { width: 800, height: 600, seed: 9, format: "avif" },
  "old.gif": { width: 500, height: 400, seed: 10, format: "gif" },
  "scan.tiff": { width: 1200, height: 900, seed: 11, format: "tiff" },
  ...Object.fromEntries(
    Array.from({ length: 12 }, (_, index) => [
      `shop-${index + 1}.jpg`,
      { width: 600 + 100 * (index % 4), height: 450 + 75 * (index % 4), seed: 20 + index, format: "jpeg" as const },
    ]),
  ),
};

/** A shop's image server on this machine, with the faults that every catalogue has. */
export async function startDemoOrigin(): Promise<DemoOrigin> {
  const files = new Map<string, Buffer>();
  for (const [name, photo] of Object.entries(PHOTOS)) files.set(name, await makeSamplePhoto(photo));
  const server = createServer((request, response) => {
    const name = request.url?.slice(1) ?? "";
    const file = files.get(name);
    if (name === "login.jpg") response.setHeader("content-type", "image/jpeg").end("<!doctype html><title>Please log in</title>");
    else if (file) response.setHeader("content-type", `image/${name.split(".").at(-1)}`).end(file);
    else response.writeHead(404).end("no such picture");
  });
  const url = await listenOnLoopback(server);
  const at = (name: string) => `${url}/${name}`;
  const names = [...files.keys()];
  const products: [string, string[]][] = names.map((name, index) => [`Product ${index + 1}`, [at(name)]]);
  products.push(
    ["Two views and a missing one", [at("camera-1.jpg"), at("gone.jpg"), at("shop-2.jpg")]],
    ["Behind a login", [at("login.jpg")]],
  );
  const rows = products.map(([name, urls], index) => `${index + 1},"${name}","${urls.join(", ")}"`);
  return {
    url,
    catalogue: ["S. No,Product Name,Input Image Urls", ...rows, ""].join("\n"),
    imagesThatShouldFail: 2,
    close: () => server.close(),
  };
}
