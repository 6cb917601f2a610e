import { catalogueOf, startOrigin, type Origin } from "./origin.ts";

/** An origin that takes its time, so that a batch can be caught in the middle. */
export async function startSlowOrigin(delayMs: number, photo: Buffer): Promise<Origin> {
  return startOrigin((_, response) => {
    setTimeout(() => response.setHeader("content-type", "image/jpeg").end(photo), delayMs);
  });
}

export function slowCatalogue(origin: Origin, images: number): string {
  return catalogueOf(Array.from({ length: images }, (_, index) => [`${origin.url}/slow/${index}.jpg`]));
}
