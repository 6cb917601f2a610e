import type { EncodedOutput, EncodeTask } from "./encode-task.ts";

/** The entry of an encoder child process: takes tasks one after the other, in order, and dies with its parent. */
export type EncoderRequest = { id: number; task: EncodeTask; pixelsMax: number };

export type EncoderReply = { isReady: true } | { id: number; encodeMs: number; outputs: EncodedOutput[] } | { id: number; encodeMs: number; fault: string; isDiskFault: boolean };

// First of all, since loading libvips takes a while: without a parent nobody waits for a result. Not process.exit(),
// which waits for libvips to finish its image.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
const { encodeImage, restrictLibvips } = await import("./encode.ts");
restrictLibvips({ allowSvg: process.argv.includes("--allow-svg") });
reply({ isReady: true });

let last: Promise<void> = Promise.resolve();
process.on("message", (request: EncoderRequest) => {
  last = last.then(() => work(request));
});

async function work({ id, task, pixelsMax }: EncoderRequest): Promise<void> {
  const startedAt = performance.now();
  try {
    const outputs = await encodeImage(task, { pixelsMax });
    reply({ id, encodeMs: performance.now() - startedAt, outputs });
  } catch (error) {
    const fault = error instanceof Error ? error.message : String(error);
    reply({ id, encodeMs: performance.now() - startedAt, fault, isDiskFault: /no space|disk quota|read-only|unable to (open|write)|wbuffer_write|write failed/i.test(fault) });
  }
}

function reply(message: EncoderReply): void {
  process.send?.(message);
}
