import { headersFor, type SourceHeaders } from "../domain/source-headers.ts";
import type { Guard } from "./guarded-lookup.ts";

/** What was said of a file by the URL `of`: to another, where the way there leads today, it says nothing (RFC 9110 §8.8). */
export type Validators = { of: string; etag: string | null; lastModified: string | null };

/** What the batch sends to a host; `withheld` where it has something that must not go in the clear. */
export type OwnHeaders = Record<string, string> | "withheld";

type Request = { url: URL; userAgent: string; accept: string; validators: Validators | undefined; own: OwnHeaders };

/** What one request for a file carries. */
export function requestHeaders({ url, userAgent, accept, validators, own }: Request): Record<string, string> {
  return {
    "user-agent": userAgent,
    accept,
    "accept-encoding": "identity",
    ...(validators?.of === url.href ? conditionsOf(validators) : {}),
    ...(own === "withheld" ? {} : own),
  };
}

/** The tag decides where there is one; a server that knows only dates ignores it. */
function conditionsOf({ etag, lastModified }: Validators): Record<string, string> {
  return { ...(etag === null ? {} : { "if-none-match": etag }), ...(lastModified === null ? {} : { "if-modified-since": lastModified }) };
}

/** Of the headers that a batch has for its origins, those for this host. Most servers that are asked over http do nothing but redirect to https. */
export async function ownHeaders(guard: Guard, url: URL, given: readonly SourceHeaders[] | undefined): Promise<OwnHeaders> {
  const own = given ? headersFor(given, url) : null;
  if (own === null) return {};
  return (await guard.mayCarrySecrets(url)) ? own : "withheld";
}
