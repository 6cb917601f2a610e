import type { Tx } from "../db/connect.ts";
import {
  advanceVirtualTime, insertImages, listProductsToPlan, lockPlan, recordPlan, settleRepeats, type PlannedImage, type PlannedProduct,
} from "../db/plan-images.ts";
import { priorityOf, tagOf } from "../domain/fair-tag.ts";
import { cleanImageUrl } from "../domain/clean-image-url.ts";
import type { Queue } from "./queue.ts";

/** A page is what one short transaction writes. */
export const PAGE_IMAGES = 100;
/** At most so many images of one batch wait as jobs: the queue stays small however large the batch is. */
export const QUEUED_MAX = 2_000;
/** The settle that takes a batch below this sends the next plan job: half the queue is work for the meantime. */
export const QUEUED_LOW_WATER = 1_000;

type PlanQueue = Pick<Queue, "sendImages" | "announceBatch" | "sendFinish" | "headTag">;

/**
 * Turns the batch's next page of products into image rows and jobs, in the caller's transaction.
 * `more` says whether another page would fit now; calling it again for a batch that is planned changes nothing.
 */
export async function planPage(tx: Tx, queue: PlanQueue, batchId: string): Promise<{ more: boolean }> {
  const plan = await lockPlan(tx, batchId);
  if (!plan || plan.isPlanned || plan.queued > QUEUED_MAX - PAGE_IMAGES) return { more: false };

  // Products are read a page of images at a time, though one without images counts as well.
  const products = await listProductsToPlan(tx, batchId, plan.plannedLine, PAGE_IMAGES);
  const page = takePage(products);
  const isPlanned = page.length === products.length && products.length < PAGE_IMAGES;
  const images = page.flatMap((product) => imagesOf(product, plan.baseUrl));

  const { ordinals, repeats } = images.length > 0 ? await insertImages(tx, batchId, images) : { ordinals: [], repeats: 0 };
  const isBeginning = plan.tag === 0;
  const head = await queue.headTag(tx);
  const clock = await advanceVirtualTime(tx, head, { isBeginning });
  // Who goes on stands behind what is served now, not behind those that have begun meanwhile.
  const virtualTime = isBeginning ? clock : (head ?? clock);
  const tagAt = (index: number) => tagOf(virtualTime, plan.tag, index);
  await queue.sendImages(tx, ordinals.map((ordinal, index) => ({ data: { batchId, ordinal }, priority: priorityOf(tagAt(index)) })));
  if (isBeginning) await queue.announceBatch(tx);

  const settled = repeats > 0 ? await settleRepeats(tx, batchId, ordinalSpan(images)) : { done: 0, failed: 0 };
  const { isSettled, run } = await recordPlan(tx, batchId, {
    plannedLine: page.at(-1)?.line ?? plan.plannedLine,
    isPlanned,
    tag: ordinals.length > 0 ? tagAt(ordinals.length - 1) : plan.tag,
    queued: ordinals.length,
    hasRepeats: repeats > 0,
    done: settled.done,
    failed: settled.failed + images.filter((image) => image.invalid).length,
  });
  if (isSettled) await queue.sendFinish(tx, { batchId, run });
  return { more: !isPlanned && plan.queued + ordinals.length <= QUEUED_MAX - PAGE_IMAGES };
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
