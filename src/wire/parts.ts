import type { Config } from "../config.ts";
import type { Database } from "../db/connection/connect.ts";
import { createAddressPolicy, type AddressPolicy } from "../domain/url/address-policy.ts";
import { userAgent } from "../domain/user-agent.ts";
import type { HeaderSeal } from "./header-seal.ts";
import type { Warn } from "../observe/calm-warn.ts";
import type { Log } from "../observe/log.ts";
import type { Queue } from "../queue/queue.ts";
import type { Storage } from "../storage/storage.ts";
import { readVersion } from "../version.ts";

/** What the API and the worker of one process share. */
export type Parts = {
  config: Config;
  log: Log;
  /** For what the database refuses: calm while it is away. */
  warn: Warn;
  /** Looks, where an error gives reason to, whether the database still has the tables of this version, and ends the process where not. */
  doubtTables(error: unknown): void;
  db: Database;
  queue: Queue;
  storage: Storage;
  publicUrl: () => string;
  headerSeal: HeaderSeal | null;
  /** Aborted when the stop begins, before anything is undone; by AT_ONCE where this process cannot serve any more. */
  stopping: AbortSignal;
};

export const AT_ONCE = "at once";

/** Which addresses requests of ours may reach, and how they say who asks. */
export async function outgoing(config: Config): Promise<{ policy: AddressPolicy; userAgent: string }> {
  return { policy: createAddressPolicy(config), userAgent: userAgent(await readVersion(), config.contact) };
}

/** Registers what undoes a start; the last is undone first. */
export type OnStop = (undo: () => Promise<void>) => void;
