import { putLast } from "../../domain/forget-oldest.ts";
import { isDenied } from "../../domain/image/image-code.ts";
import type { StageFailure, StageResult } from "../../domain/image/stage-result.ts";
import { isPage } from "../../image/inspect.ts";
import type { Download } from "../../net/download-order.ts";
import type { Stages } from "./stages.ts";

/** So many conditions in a row failed, each for a file that came without one: more than a server that fails now and then has by chance. */
const FAILED_MAX = 10;
/** For so long all is fetched from such a host: twice a batch of 100,000 images at 300 a second, for every image of which it would fail. */
const MEMORY_MS = 10 * 60_000;
const HOSTS_MAX = 1_000;

/**
 * Downloads, and asks again at once without the condition where it may be what a request failed for. Some servers refuse conditions, even a
 * tag that they gave themselves, and some firewalls call that forbidden or not found; others fail over one, end the connection, or send an
 * empty file or a page. Without one the file is to be had as it was at first. What is tried again later (domain/image/image-code.ts) is asked for
 * without one then (db/known-sources.ts).
 */
export function askConditionally(download: Stages["download"], now: () => number): Stages["download"] {
  const hosts = createFailedConditions(now);
  return async (order) => {
    const { validators, ...bare } = order;
    if (validators === undefined) return download(order);
    const { host } = new URL(validators.of);
    if (hosts.isFailing(host)) return download(bare);
    const asked = await download(order);
    if (isFile(asked)) hosts.onHeld(host);
    if (asked.ok ? isFile(asked) : !mayBeOfCondition(asked.failure)) return asked;
    const again = await download({ ...bare, isAgain: true });
    if (isFile(again)) hosts.onFailed(host);
    return again;
  };
}

function mayBeOfCondition({ code, isOfCondition }: StageFailure): boolean {
  return isOfCondition === true || isDenied(code);
}

/** Something came that may be an image, or that is unchanged. */
function isFile(result: StageResult<Download>): boolean {
  if (!result.ok) return false;
  const { status, bytes } = result.value;
  return status === 304 || (bytes > 0 && !isPage(result.value));
}

/** The hosts whose conditions fail. Of those that are too many, the one that failed longest ago goes. */
function createFailedConditions(now: () => number) {
  const failed = new Map<string, { count: number; at: number }>();
  return {
    isFailing(host: string): boolean {
      const known = failed.get(host);
      if (known === undefined || known.count < FAILED_MAX) return false;
      if (now() - known.at < MEMORY_MS) return true;
      failed.delete(host);
      return false;
    },
    onHeld: (host: string) => void failed.delete(host),
    onFailed(host: string) {
      const count = (failed.get(host)?.count ?? 0) + 1;
      putLast(failed, host, { count, at: now() }, HOSTS_MAX);
    },
  };
}
