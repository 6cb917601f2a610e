import { runInThread, threadEntry } from "./run-in-thread.ts";
import type { Survey, SurveyOrder } from "./survey-catalogue.ts";

/** Reads a large file in a thread: it holds up nobody but its own client, and ends when that has gone. */
export function surveyInThread(order: SurveyOrder, signal: AbortSignal): Promise<Survey> {
  return runInThread(threadEntry(import.meta.url, "survey-thread"), order, signal);
}
