/** A mount whose server is away may never answer. */
const ANSWER_MS = 10_000;

/** What was asked of the disk, which is not waited for any longer than this; the thread that asks is not free before it has its answer. */
export async function answerInTime<T>(asked: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`the disk has not answered for ${ANSWER_MS / 1_000} seconds`)), ANSWER_MS);
  return Promise.race([asked, late.promise]).finally(() => clearTimeout(timer));
}
