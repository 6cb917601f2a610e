import type { KnownSource } from "../../db/known-sources.ts";
import type { SourceFacts, StageMs } from "../../db/settle-images.ts";
import type { Recipe } from "../../domain/image/recipe.ts";
import type { StageResult } from "../../domain/image/stage-result.ts";
import type { Encoded } from "../../image/pool/encode-result.ts";
import type { EncodedOutput, EncodeTask } from "../../image/encode/encode-task.ts";
import type { Inspection } from "../../image/inspect.ts";
import type { Download, DownloadOrder } from "../../net/download-order.ts";
import type { InputPlace, OutputPlace } from "../../storage/storage.ts";

export type ImageWork = {
  batchId: string;
  ordinal: number;
  url: string;
  stem: string;
  recipe: Recipe;
  isOfSmallBatch: boolean;
  /** What an earlier batch made of the same URL under the same recipe. */
  known: KnownSource | null;
};

/** The stages an image passes, each given by the room that owns it. */
export type Stages = {
  tempPath(): string;
  download(order: DownloadOrder): Promise<StageResult<Download>>;
  inspect(input: Pick<Download, "head" | "path" | "bytes" | "contentType">): Promise<StageResult<Inspection>>;
  encode(task: EncodeTask, options: { signal: AbortSignal; batchId: string; isOfSmallBatch: boolean }): Promise<StageResult<Encoded>>;
  keepOutput(tempPath: string, at: OutputPlace): Promise<StageResult<{ path: string }>>;
  /** Keeps or drops the download, as KEEP_INPUTS says. */
  keepInput(tempPath: string, at: InputPlace): Promise<StageResult<unknown>>;
  /** False where the earlier file is gone, or has not these bytes any more. */
  linkOutput(from: OutputPlace & { bytes: number }, to: OutputPlace): Promise<StageResult<boolean>>;
  linkInput(from: InputPlace, to: InputPlace): Promise<StageResult<boolean>>;
  discard(tempPath: string): Promise<void>;
  /** `isCome`: there is a file, or nothing new of one that we have. */
  onFetched(fetchMs: number, isCome: boolean): void;
};

/** The times of an attempt that has come to none of its stages. */
export const NO_STAGE_MS: StageMs = { waitMs: null, fetchMs: null, encodeMs: null, storeMs: null };

/** `encodeMs` is null of one that is linked. */
export type StoredOutput = Omit<EncodedOutput, "path" | "encodeMs"> & { fileName: string; encodeMs: number | null };
export type Processed = { outputs: StoredOutput[]; isReused: boolean };
export type Attempt = {
  result: StageResult<Processed>;
  /** Outputs that are at their places, whatever the result. */
  placed: OutputPlace[];
  source: SourceFacts | null;
  /** Without how long the image waited, which its row tells. */
  stageMs: Omit<StageMs, "waitMs">;
};
