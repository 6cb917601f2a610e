import sharp from "sharp";

/**
 * Only the loaders that our input formats need may run: libvips has dozens, some over libraries with a history of
 * memory faults. Whoever sends us a PDF or a MATLAB file gets no further than this.
 */
const LOADERS = [
  "JpegFile",
  "PngFile",
  "WebpFile",
  "HeifFile",
  "NsgifFile",
  "TiffFile",
  "JpegBuffer",
  "PngBuffer",
  "WebpBuffer",
  "NsgifBuffer",
];
/** From memory, so that a drawing has no folder to load other files from. */
const SVG_LOADER = "SvgBuffer";

export function restrictLibvips(options: { allowSvg: boolean }): void {
  sharp.block({ operation: ["VipsForeignLoad"] });
  const loaders = options.allowSvg ? [...LOADERS, SVG_LOADER] : LOADERS;
  sharp.unblock({ operation: loaders.map((loader) => `VipsForeignLoad${loader}`) });
  // One image at a time on one core each: a process per core is as fast and dies alone.
  sharp.concurrency(1);
  sharp.cache(false);
}

/**
 * Has libvips make its threads, 3 of an encoder's 11, for a JPEG of one pixel, in 5 ms of CPU. Where the system refuses them, libvips ends
 * its process: that must not be laid to an image. Those that have had nothing to do for a while end, and are made anew for the next.
 */
export async function startThreads(): Promise<void> {
  await sharp(Buffer.alloc(3), { raw: { width: 1, height: 1, channels: 3 } })
    .jpeg()
    .toBuffer();
}
