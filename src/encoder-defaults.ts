import { availableParallelism, totalmem } from "node:os";

const MIB = 1024 * 1024;
/** Holds a photo of 24 megapixels in most formats (docs/adr/0006-encoder-memory.md). */
const ENCODER_MEMORY_MB = 512;

/**
 * One for each core, as long as three quarters of the memory hold them all. By the default of ENCODER_MEMORY_MB: who raises that for a few
 * large images need not lose encoders.
 */
export function defaultEncoders(): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor((memoryBytes() * 0.75) / (ENCODER_MEMORY_MB * MIB))));
}

/** So little, in a small container, that an image which needs more is refused with words, and not ended by the system again and again. */
export function defaultEncoderMb(databaseUrl: string | null): number {
  return Math.max(256, Math.min(ENCODER_MEMORY_MB, encoderMbMax(databaseUrl)));
}

/** MB that one encoder may take beside the service, some 150 at work, and the embedded database, some 100 more. */
export function encoderMbMax(databaseUrl: string | null): number {
  return Math.floor(memoryBytes() / MIB) - (databaseUrl === null ? 250 : 150);
}

/** What the machine or its cgroup allows. */
function memoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
