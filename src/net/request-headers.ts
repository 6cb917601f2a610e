import { headersFor, type SourceHeaders } from "../domain/secret/source-headers.ts";
import type { Guard } from "./guarded-lookup.ts";
import type { Head } from "./http1/head.ts";

/** The tag and the date that the URL `of` gave with a file. */
export type Validators = { of: string; etag: string | null; lastModified: string | null };

/**
 * What an answer gives to ask for its file by. As a condition `*` means any file, and would never be answered with another one (RFC 9110
 * §13.1.2). A date without a tag says nothing of a file that is replaced within the same second: it counts where the answer was made a
 * second later at least, by the server's own clock (§8.8.2.2). Where that does not tell its time, the date counts: such servers are few and
 * simple, and their files old; without it they would send every file each time.
 */
export function validatorsIn({ etag: tag, "last-modified": date, date: now }: Head["headers"]): Omit<Validators, "of"> {
  const etag = tag === undefined || tag === "*" ? null : tag;
  const isWeak = etag === null && date !== undefined && now !== undefined && Date.parse(now) - Date.parse(date) < SECOND;
  return { etag, lastModified: date === undefined || isWeak ? null : date };
}

const SECOND = 1_000;

/** Only the URL that gave them is asked with them. A redirect may lead to another URL today, of which they say nothing (RFC 9110 §8.8). */
export function validatorsFor({ href }: URL, given: Validators | undefined): Validators | null {
  return given?.of === href ? given : null;
}

/** The batch's source headers for one host; `withheld` where it has some, and they must not be sent unencrypted. */
export type HostHeaders = Record<string, string> | "withheld";

type Request = { userAgent: string; accept: string; validators: Validators | null; hostHeaders: HostHeaders };

/** What one request for a file carries. */
export function requestHeaders({ userAgent, accept, validators, hostHeaders }: Request): Record<string, string> {
  return {
    "user-agent": userAgent,
    accept,
    "accept-encoding": "identity",
    ...(validators === null ? {} : conditionsOf(validators)),
    ...(hostHeaders === "withheld" ? {} : hostHeaders),
  };
}

/** Both, where we have both: a server goes by the tag (RFC 9110 §13.2.2), and one that knows only dates passes over it. */
function conditionsOf({ etag, lastModified }: Validators): Record<string, string> {
  return { ...(etag === null ? {} : { "if-none-match": etag }), ...(lastModified === null ? {} : { "if-modified-since": lastModified }) };
}

/**
 * The batch's source headers for the host of this URL. Where they may not go (http, outside the operator's networks) the request is
 * made without them: most servers answer it with a redirect to https.
 */
export async function findHostHeaders(guard: Guard, url: URL, given: readonly SourceHeaders[] | undefined): Promise<HostHeaders> {
  const hostHeaders = given ? headersFor(given, url) : null;
  if (hostHeaders === null) return {};
  return (await guard.mayCarrySecrets(url)) ? hostHeaders : "withheld";
}
