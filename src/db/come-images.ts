/**
 * The images of a batch that come well in a process, or have come, and are not settled: tried, as far as its budgets are concerned. Each process
 * tells of its own with every settle, so that its failures are counted together with what was asked for beside them, and the row of the
 * batch (of the share) has the last number of each. A number and not a sum of changes: what a killed process had is forgotten with it.
 */
export type HandCome = { process: string; come: readonly { host: string; round: number; count: number }[] };

/**
 * What a process told is forgotten after so long. Longer than it takes to encode nearly any image, between two settles; what a killed one
 * had is tried again by others before that, and counts twice meanwhile, so that a pause may come as much later.
 */
const FRESH_SECONDS = 60;

const NOW = "extract(epoch from now())::bigint";

/** What is kept is `{ process: [when, number] }`. Not what seems to be of later, where the clock was set back. */
export const freshCome = (kept: string) =>
  `(select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each(${kept}) where abs((value->>0)::bigint - ${NOW}) < ${FRESH_SECONDS})`;

export const withCome = (kept: string, process: string, count: string) =>
  `${kept} || jsonb_build_object(${process}, jsonb_build_array(${NOW}, ${count}))`;

export const sumOfCome = (kept: string) => `(select coalesce(sum((value->>1)::int), 0)::int from jsonb_each(${kept}))`;
