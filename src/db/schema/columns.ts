import { sql } from "drizzle-orm";
import { bigint, timestamp } from "drizzle-orm/pg-core";

export const instant = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });
/** A number holds 9 petabytes. */
export const bytes = (name: string) => bigint(name, { mode: "number" });
/** By process: when it last told how many of its images come well, in seconds since 1970, and how many (db/come-images). */
export type StoredCome = Record<string, [number, number]>;
/** For a check that the column holds one of these words, which must be our own: they are not escaped. */
export const oneOf = (column: string, words: readonly string[]) => sql.raw(`${column} in (${words.map((word) => `'${word}'`).join(", ")})`);
