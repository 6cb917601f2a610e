import type { Tx } from "../db/connection/connect.ts";
import {
  advanceVirtualTime,
  insertImages,
  listProductsToPlan,
  lockPlan,
  recordPlan,
  recordRelease,
  settleRepeats,
  type PlannedImage,
  type PlannedProduct,
  type PlanState,
} from "../db/plan-images.ts";
import { keepHeldImages, takeDueImages } from "../db/host-share.ts";
import { cleanImageUrl } from "../domain/url/clean-image-url.ts";
import type { Queue } from "./queue.ts";
import { sendTagged } from "./send-tagged.ts";

/** A page is what one short transaction writes. */
export const PAGE_IMAGES = 100;
/** The most images of one batch that wait as jobs: the queue stays small however large the batch is. */
export const QUEUED_MAX = 8_000;
/**
 * Whoever takes a batch below this sends the next plan job. What is left is work for the meantime, and at the end of a batch the
 * images that are fetched ahead (docs/adr/0011-fetching-ahead.md).
 */
export const QUEUED_LOW_WATER = 7_000;

type PlanQueue = Pick<Queue, "sendImages" | "announceBatch" | "sendFinish" | "headTag">;

/**
 * Whether a batch has something left to plan, and has just come below the mark by the `taken` images that no longer count as
 * queued.
 */
export function isToPlanOn(batch: { isPlanned: boolean; hasDue: boolean }, { queued, taken }: { queued: number; taken: number }): boolean {
  return (!batch.isPlanned || batch.hasDue) && queued < QUEUED_LOW_WATER && queued + taken >= QUEUED_LOW_WATER;
}

/**
 * Turns the batch's next page of products into image rows and jobs, in the caller's transaction. Images of resumed hosts
 * that wait for a job get theirs before that. Images of paused hosts get rows and no jobs.
 * `more` says whether another page would fit now; calling it again for a batch that is planned changes nothing.
 */
export async function planPage(tx: Tx, queue: PlanQueue, batchId: string): Promise<{ more: boolean }> {
  const plan = await lockPlan(tx, batchId);
  if (!plan || plan.queued > QUEUED_MAX - PAGE_IMAGES) return { more: false };
  const released = plan.due > 0 ? await releasePage(tx, queue, batchId, plan) : null;
  if (released) return released;
  if (plan.isPlanned) return { more: false };

  const { images, plannedLine, isPlanned } = await readPage(tx, batchId, plan);
  const { ordinals, repeats } = await insertPage(tx, batchId, plan, images);
  const tag = await sendPage(tx, queue, batchId, plan, ordinals);
  const settled = repeats > 0 ? await settleRepeats(tx, batchId, ordinalSpan(images)) : { done: 0, failed: 0 };
  const { isSettled, standsStill, run } = await recordPlan(tx, batchId, {
    plannedLine,
    isPlanned,
    tag,
    queued: ordinals.length,
    hasRepeats: repeats > 0,
    done: settled.done,
    failed: settled.failed + images.filter((image) => image.invalid).length,
  });
  if (isSettled || standsStill) await queue.sendFinish(tx, { batchId, run });
  return { more: !isPlanned && plan.queued + ordinals.length <= QUEUED_MAX - PAGE_IMAGES };
}

type Page = { images: PlannedImage[]; plannedLine: number; isPlanned: boolean };

async function readPage(tx: Tx, batchId: string, plan: PlanState): Promise<Page> {
  // No more products are read than a page has images; those without an image count as well.
  const products = await listProductsToPlan(tx, batchId, plan.plannedLine, PAGE_IMAGES);
  const page = takePage(products);
  return {
    images: page.flatMap((product) => imagesOf(product, plan.baseUrl)),
    plannedLine: page.at(-1)?.line ?? plan.plannedLine,
    isPlanned: page.length === products.length && products.length < PAGE_IMAGES,
  };
}

/** The page's rows. Returns which of its images need a job now: no repeats, and none of a paused host, which are held. */
async function insertPage(
  tx: Tx,
  batchId: string,
  { hostsPaused, round }: PlanState,
  images: readonly PlannedImage[],
): Promise<{ ordinals: number[]; repeats: number }> {
  if (images.length === 0) return { ordinals: [], repeats: 0 };
  const { ordinals, repeats } = await insertImages(tx, batchId, images);
  if (hostsPaused === 0) return { ordinals, repeats };
  const { held } = await keepHeldImages(tx, { batchId, round, ordinals, wereQueued: false });
  return { ordinals: ordinals.filter((ordinal) => !held.has(ordinal)), repeats };
}

/** Returns the batch's last tag from now on. */
async function sendPage(tx: Tx, queue: PlanQueue, batchId: string, plan: PlanState, ordinals: readonly number[]): Promise<number> {
  const isBeginning = plan.tag === 0;
  const head = await queue.headTag(tx);
  const clock = await advanceVirtualTime(tx, head, { isBeginning });
  // Who begins stands beside what is served now; who goes on behind it, and not behind those that have begun meanwhile.
  const virtualTime = isBeginning ? clock - 1 : (head ?? clock);
  const images = ordinals.map((ordinal) => ({ ordinal }));
  const tag = await sendTagged(tx, queue, { batchId, lastTag: plan.tag, virtualTime }, images);
  if (isBeginning) await queue.announceBatch(tx);
  return tag;
}

/** Queues a page of images whose hosts were resumed, with new tags, as if they were planned now. Null where there is none after all. */
async function releasePage(tx: Tx, queue: PlanQueue, batchId: string, plan: PlanState): Promise<{ more: boolean } | null> {
  const { taken, images } = await takeDueImages(tx, { batchId, round: plan.round, limit: PAGE_IMAGES });
  if (taken === 0) return null;
  const virtualTime = await advanceVirtualTime(tx, await queue.headTag(tx), { isBeginning: false });
  const inOrder = images.toSorted((one, other) => one.ordinal - other.ordinal);
  const tag = await sendTagged(tx, queue, { batchId, lastTag: plan.tag, virtualTime }, inOrder);
  const { standsStill, run } = await recordRelease(tx, batchId, { taken, queued: images.length, tag });
  if (standsStill) await queue.sendFinish(tx, { batchId, run });
  return { more: plan.queued + images.length <= QUEUED_MAX - PAGE_IMAGES };
}

/** Whole products until the page is full; a product with more images than a page has is a page of its own. */
function takePage(products: readonly PlannedProduct[]): PlannedProduct[] {
  let images = 0;
  const end = products.findIndex((product) => {
    const isFull = images > 0 && images + product.urls.length > PAGE_IMAGES;
    images += product.urls.length;
    return isFull;
  });
  return end === -1 ? [...products] : products.slice(0, end);
}

function imagesOf(product: PlannedProduct, baseUrl: string | null): PlannedImage[] {
  return product.urls.map((text, index) => {
    const clean = cleanImageUrl(text, { baseUrl });
    return {
      ordinal: product.firstOrdinal + index,
      line: product.line,
      position: index + 1,
      stem: `${product.slug}-${product.firstNumber + index}`,
      url: clean.ok ? clean.href : text,
      urlRules: clean.ok ? clean.rules : [],
      host: clean.ok ? new URL(clean.href).host : "",
      invalid: clean.ok ? null : { code: clean.code, detail: clean.message },
    };
  });
}

function ordinalSpan(images: readonly PlannedImage[]): { ordinalFrom: number; ordinalTo: number } {
  return { ordinalFrom: images[0]?.ordinal ?? 0, ordinalTo: images.at(-1)?.ordinal ?? -1 };
}
