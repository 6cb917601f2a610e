import { runInThread, threadEntry } from "./run-in-thread.ts";
import type { Survey, SurveyOrder } from "./survey-catalogue.ts";

/** Reads a large file in a thread: nobody waits for it but its own client, and it ends when that has gone. */
export function surveyInThread(order: SurveyOrder, signal: AbortSignal): Promise<Survey> {
  return runInThread(threadEntry(import.meta.url, "survey-thread"), order, signal);
}
