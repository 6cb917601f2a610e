import { isDatabaseAway } from "../../db/connection/connect.ts";
import type { SourcedImage } from "../../db/known-sources.ts";
import { busyDelayMs } from "../../domain/load/host-answers.ts";
import { whatHostDid } from "../../domain/load/host-pause.ts";
import { outOfFiles } from "../../domain/load/open-files.ts";
import type { Outcome } from "../../domain/image/outcome.ts";
import { outputsOf } from "../../domain/image/recipe.ts";
import { failed, type StageFailure } from "../../domain/image/stage-result.ts";
import { HostCrowded, HostPaused } from "../../net/host-watch.ts";
import type { Warn } from "../../observe/calm-warn.ts";
import type { Log } from "../../observe/log.ts";
import { databaseNowMs, type Claim } from "../../queue/image-jobs.ts";
import { decideFailure } from "./decide-failure.ts";
import type { DiskGuard } from "../guards/disk-guard.ts";
import type { HostPauses } from "../guards/host-pauses.ts";
import type { Tries } from "../guards/paused-host.ts";
import { placesOf } from "./placed-outputs.ts";
import { processImage } from "./process-image.ts";
import { LostClaim, NoRoom } from "../claim/images-in-hand.ts";
import type { NetworkGuard } from "../guards/network-guard.ts";
import type { Lease } from "../claim/pump.ts";
import type { Worked } from "../settle/settle-together.ts";
import type { ComeImages } from "../settle/come-images.ts";
import type { Settler } from "../settle/settler.ts";
import type { SourceHeadersOf } from "./source-headers.ts";
import { NO_STAGE_MS, type Attempt, type Processed, type Stages } from "./stages.ts";
import { watchSize } from "./watch-size.ts";

export type WorkDeps = {
  stages: Stages;
  settler: Settler;
  come: Pick<ComeImages, "add" | "remove">;
  disk: Pick<DiskGuard, "begin" | "check" | "onGivenUp" | "onStored" | "retryMs" | "refusedMs">;
  network: Pick<NetworkGuard, "isToBlame" | "retryMs">;
  log: Log;
  warn: Warn;
  hosts: Pick<HostPauses, "isPaused" | "meet" | "whatDid" | "onFirstBusy">;
  sourceHeadersOf: SourceHeadersOf;
};

/** One claim, from image to settled outcome. */
export async function workImage(deps: WorkDeps, claim: Claim, image: SourcedImage, lease: Lease): Promise<void> {
  try {
    await workToSettled(deps, claim, image, lease);
  } finally {
    deps.come.remove(claim);
  }
}

async function workToSettled(deps: WorkDeps, claim: Claim, image: SourcedImage, lease: Lease): Promise<void> {
  const startedAtMs = performance.now();
  const { attempt, outcome } = meetPause(deps.hosts, claim, image) ?? (await tryImage(deps, claim, image, lease));
  if (lease.signal.reason instanceof LostClaim) return;
  if (outcome.kind !== "done") deps.come.remove(claim);
  const item: Worked = {
    claim,
    outcome,
    startedAtMs,
    attempt: image.attempts + 1,
    tenantId: image.batch.tenantId,
    round: image.batch.round,
    sourceKey: image.sourceKey,
    isOfSmallBatch: image.batch.isSmall,
    placed: outcome.kind === "give_up" ? placesOf(image) : (attempt?.placed ?? []),
    source: attempt?.source ?? null,
    stageMs: { ...NO_STAGE_MS, ...attempt?.stageMs, waitMs: image.waitMs },
  };
  deps.log.debug(describeAttempt(item, image.host), "image");
  const settled = deps.settler.settle(item);
  lease.onWorked();
  await settled;
}

/** What came of a claim. `attempt` is null where it was broken off, or none was made, and counts for nothing. */
type Tried = { attempt: Attempt | null; outcome: Outcome<Processed> };

function meetPause(hosts: WorkDeps["hosts"], claim: Claim, image: SourcedImage, host = image.host): Tried | null {
  const outcome = hosts.meet(host, triesOf(claim, image), image.batch);
  return outcome && { attempt: null, outcome };
}

/** A surprise costs the image a try and is logged. */
async function tryImage(deps: WorkDeps, claim: Claim, image: SourcedImage, lease: Lease): Promise<Tried> {
  const work = { ...image, recipe: image.batch.recipe, isOfSmallBatch: image.batch.isSmall };
  const size = watchSize(deps.disk, 1 + outputsOf(work.recipe).length, lease);
  try {
    const attempt = await processImage(stagesFor(deps, claim, image, lease, size), work, lease);
    return { attempt, outcome: await decide(deps, claim, image, attempt) };
  } catch (error) {
    const crowdedMs = error instanceof HostCrowded ? error.delayMs : 0;
    const delayMs = lease.signal.reason instanceof NoRoom ? deps.disk.retryMs(image) : crowdedMs;
    const released = { attempt: null, outcome: { kind: "release", delayMs } } as const;
    if (lease.signal.aborted || error instanceof NoAttempt || error instanceof HostCrowded) return released;
    if (error instanceof HostPaused) return meetPause(deps.hosts, claim, image, error.host) ?? released;
    const lack = outOfFiles(error);
    if (lack === null) deps.log.error({ err: error, batchId: work.batchId, ordinal: work.ordinal }, "an image failed unexpectedly");
    const { failure } = lack ?? failed("storage_failed", "The image could not be processed for a reason on our side.");
    return { attempt: null, outcome: await decideFailure(deps, { ...image, attempt: image.attempts + 1 }, failure) };
  } finally {
    size.onEnd();
  }
}

/**
 * The stages, which tell the pump how far the image has come, the disk how much of it comes, and the budgets that it does, and take the
 * headers that its batch has for its origins.
 */
function stagesFor(
  { stages, sourceHeadersOf, come }: WorkDeps,
  claim: Claim,
  { batch, batchId, host }: SourcedImage,
  lease: Lease,
  size: ReturnType<typeof watchSize>,
): Stages {
  const { onBytes } = size;
  const onCome = () => come.add(claim, { host, round: batch.round });
  // As it begins to come: on a slow line a large photo takes minutes, in which many a 404 comes.
  const onBody = (bytes: number | null) => (onCome(), size.onBody(bytes));
  const onAsked = () => (size.onAsked(), lease.onAsked());
  const shared = { asker: batch, wasRefused: wasRefused(claim), onAsked, onBody, onBytes };
  const download: Stages["download"] = (order) => stages.download({ ...order, ...shared });
  return {
    ...stages,
    download: batch.sourceHosts !== null ? withHeaders(download, () => sourceHeadersOf(batchId), batch.sourceHosts) : download,
    onFetched(fetchMs, isCome) {
      if (isCome) onCome();
      lease.onFetched();
      stages.onFetched(fetchMs, isCome);
    },
  };
}

/**
 * Every download of a batch that has headers for its origins takes them along. Where they cannot be opened, what comes from other hosts
 * comes without them, and none of theirs is asked, to which a redirect may lead: it may show a stranger another picture.
 */
function withHeaders(download: Stages["download"], find: () => ReturnType<SourceHeadersOf>, hosts: readonly string[]): Stages["download"] {
  return async (order) => {
    const headers = await find().catch((error: unknown) => {
      throw isDatabaseAway(error) ? new NoAttempt("the batch's headers could not be read", { cause: error }) : error;
    });
    return download(headers.ok ? { ...order, sourceHeaders: headers.value } : { ...order, barred: { hosts, refusal: headers } });
  };
}

/** Nothing was tried: the image is as it was, and without its database nothing can be settled before that is back. */
class NoAttempt extends Error {}

async function decide(
  deps: Pick<WorkDeps, "disk" | "hosts" | "network" | "warn">,
  claim: Claim,
  image: SourcedImage,
  { result }: Attempt,
): Promise<Outcome<Processed>> {
  if (result.ok) return { kind: "done", result: result.value };
  const { failure } = result;
  if (deps.network.isToBlame(failure)) return { kind: "release", delayMs: deps.network.retryMs() };
  return waitAsAsked(deps.hosts, claim, image, failure) ?? decideFailure(deps, { ...image, attempt: image.attempts + 1 }, failure);
}

/** Where the host asked for patience, the image waits like one that was not tried. Null where it did not ask, or the image has waited for as long as it may. */
function waitAsAsked(hosts: WorkDeps["hosts"], claim: Claim, image: SourcedImage, failure: StageFailure): Outcome<never> | null {
  const { host, batch } = image;
  const did = hosts.whatDid(host, failure, batch);
  if (did.kind !== "asked") return null;
  const now = databaseNowMs(claim.job);
  // Later than now where that clock was set back since, or where a process wrote it that took the time by its own machine's clock.
  const askedSince = Math.min(claim.data.askedSince ?? now, now);
  const waitedMs = now - askedSince;
  if (waitedMs > did.patienceMs) return null;
  const isBusy = whatHostDid(failure).kind === "busy";
  if (isBusy && !wasRefused(claim)) hosts.onFirstBusy(host, failure, batch);
  // It may be the one image that its host answers so: others go on, and it is not asked for as often. Not one that only came too soon.
  const isTooSoon = failure.isTooSoon === true;
  const mayBeAlone = !isTooSoon && (isBusy || (failure.isRefusedAgain === true && !hosts.isPaused(host, batch)));
  const askedMs = isTooSoon && !failure.retryAfterMs ? 0 : did.pauseMs;
  // Where a redirect led to the host that asked, the image's own host is not paused.
  const met = hosts.meet(host, triesOf(claim, image), batch) ?? { kind: "release", delayMs: 0 };
  if (met.kind !== "release") return met;
  return { ...met, delayMs: Math.max(met.delayMs, askedMs, mayBeAlone ? busyDelayMs(waitedMs) : 0), askedSince };
}

function triesOf(claim: Claim, { attempts }: SourcedImage): Tries {
  return { wasRefused: wasRefused(claim), wasTried: attempts > 0 };
}

/** Whether its host asked for patience when the image was last asked for. */
function wasRefused({ data }: Claim): boolean {
  return data.askedSince !== undefined;
}

/** One wide event for each attempt. No URL: its query may hold what signs it, and batchId and ordinal find it. */
function describeAttempt({ claim, outcome, attempt, source, stageMs }: Worked, host: string): object {
  return {
    ...claim.data,
    host,
    attempt,
    outcome: outcome.kind,
    ...("failure" in outcome ? { code: outcome.failure.code } : {}),
    ...("delayMs" in outcome ? { delayMs: outcome.delayMs } : {}),
    ...(outcome.kind === "done" ? { isReused: outcome.result.isReused, outputBytes: bytesOf(outcome.result.outputs) } : {}),
    ...(source === null ? {} : { status: source.httpStatus, sourceBytes: source.sourceBytes }),
    ...stageMs,
  };
}

function bytesOf(outputs: Processed["outputs"]): number {
  return outputs.reduce((sum, { bytes }) => sum + bytes, 0);
}
