import type { Asker } from "../domain/load/asker.ts";
import type { SourceHeaders } from "../domain/secret/source-headers.ts";
import type { StageResult } from "../domain/image/stage-result.ts";
import type { Validators } from "./request-headers.ts";

export type Download = {
  path: string;
  bytes: number;
  /** The server said where the file ends, before it or by chunks. Otherwise it ends with its connection, and may have been cut. */
  isEndTold: boolean;
  sha256: string;
  finalUrl: string;
  status: number;
  contentType: string | null;
  etag: string | null;
  lastModified: string | null;
  /** The first 16 KiB of the body, or all of it where it is shorter. */
  head: Buffer;
};

export type DownloadOrder = {
  url: string;
  /** Written whole or removed. */
  path: string;
  signal: AbortSignal;
  /** Whose image it is: where they wait for the same host, batches take turns. Nobody's in particular unless told. */
  asker?: Asker;
  /**
   * What was said of the file the last time: the answer may be a 304, which leaves no file (RFC 9110 §13). Of a failure that isOfCondition
   * no host is told, so that it has to be asked for again without.
   */
  validators?: Validators;
  /** Hosts that must not be asked, wherever a redirect leads, and what is the result where one would be. */
  barred?: { hosts: readonly string[]; refusal: StageResult<never> };
  /** It was just asked for with a condition: where a host on the way is tried by one at a time, this is the one. */
  isAgain?: boolean;
  /** Its host asked for patience when it was last asked for it. */
  wasRefused?: boolean;
  /** There is room for it: from here on it is being asked for. */
  onAsked?: () => void;
  /** The file begins to come, of so many bytes where the server says it, and then comes piece by piece. */
  onBody?: (bytes: number | null) => void;
  onBytes?: (count: number) => void;
  /** For the origins that they name and no other, at every hop. */
  sourceHeaders?: readonly SourceHeaders[];
};
