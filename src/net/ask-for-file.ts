import { rm } from "node:fs/promises";
import type { Gate } from "../domain/load/gate.ts";
import { succeeded, type StageResult } from "../domain/image/stage-result.ts";
import { createAnswerClock } from "./answer-clock.ts";
import { asFileRefused, BodyFile, BodyTooLarge, type SparePieces } from "./body-file.ts";
import type { Deadlines } from "./deadlines.ts";
import type { DownloadLimits } from "./download-limits.ts";
import type { Download, DownloadOrder } from "./download-order.ts";
import { unbracket, type Guard } from "./guarded-lookup.ts";
import type { HostWatch } from "./host-watch.ts";
import type { HttpClient } from "./http1/client.ts";
import type { Head } from "./http1/head.ts";
import { ADDRESS_MS } from "./http1/connection.ts";
import { BodyCut } from "./http1/protocol-error.ts";
import { type BadRedirect, findShortPart, judgeAnswer, orOfCondition, tooLarge, truncated } from "./judge-answer.ts";
import { netFailure } from "./net-failure.ts";
import { portOf } from "./port-of.ts";
import { requestHeaders, validatorsIn, type HostHeaders, type Validators } from "./request-headers.ts";
import { restDuringLookUp } from "./rest-during-look-up.ts";
import { unpackBody, type Coding } from "./unpack-body.ts";

type AskContext = {
  userAgent: string;
  accept: string;
  limits: Pick<DownloadLimits, "bytesMax" | "connectMs">;
  codingsTaken?: readonly string[];
  guard: Guard;
  client: HttpClient;
  hosts: HostWatch;
  spare: SparePieces;
  unpacking: Gate;
};

type Hop = { url: URL; order: DownloadOrder; deadlines: Deadlines; hostHeaders: HostHeaders; validators: Validators | null };

/** One request: its answer's body goes to the file, unless the head tells that it is of no use. */
export async function askForFile(context: AskContext, hop: Hop): Promise<StageResult<Download> | Redirect> {
  const { url, deadlines, hostHeaders, validators } = hop;
  const { userAgent, accept } = context;
  const port = portOf(url);
  context.guard.checkLiteral(url.hostname, port);
  const { watch, lookup } = restDuringLookUp(deadlines, context.guard.lookupFor(port));
  const clock = createAnswerClock(watch);
  let verdict: Verdict | null = null;
  try {
    await context.client.get({
      url,
      port,
      hostname: unbracket(url.hostname),
      lookup,
      addressMs: addressMs(context, url.hostname),
      watch: clock,
      headers: requestHeaders({ userAgent, accept, validators, hostHeaders }),
      onHead(head) {
        context.hosts.onHead(url.host, { status: head.status, ms: clock.ms });
        verdict = judge(context, hop, head);
        return "file" in verdict ? verdict.file : null;
      },
    });
    const body = bodyOf(verdict);
    return body !== undefined && body.coding !== null ? await unpack(context, hop, body, body.coding) : conclude(hop, verdict);
  } catch (error) {
    if (error instanceof BodyTooLarge) return tooLarge(context.limits.bytesMax);
    // The head had come, so that a connection that ends now has cut the body short.
    if (error instanceof BodyCut) return truncated(bodyOf(verdict)?.head);
    if (validators === null || !clock.isAwaited || hop.order.signal.aborted) throw error;
    return orOfCondition({ ok: false, failure: netFailure(deadlines.passed ?? error) });
  } finally {
    const body = bodyOf(verdict);
    await body?.file.close();
    if (body !== undefined && body.coding !== null) await rm(packedPath(hop.order), { force: true }).catch(asFileRefused);
  }
}

/** Node's floor is 10 ms; a handshake over a far line takes some 300. */
const ADDRESS_MS_MIN = 400;

/** All addresses are tried within the time for a connection: of five dead ones before the sixth, each attempt would meet the same. */
function addressMs({ guard, limits }: AskContext, hostname: string): number {
  const share = limits.connectMs / Math.max(1, guard.countAddresses(hostname));
  return Math.min(ADDRESS_MS, Math.max(ADDRESS_MS_MIN, Math.floor(share)));
}

type Redirect = { redirect: URL | BadRedirect };
type Body = { file: BodyFile; head: Head; coding: Coding | null };
type Verdict = Body | { result: StageResult<Download> } | Redirect;

/** What becomes of an answer: another request, a result without a body, or a file. */
function judge(context: AskContext, { url, order, hostHeaders, validators }: Hop, head: Head): Verdict {
  const { bytesMax } = context.limits;
  const judgement = judgeAnswer(
    { url, validators, isWithheld: hostHeaders === "withheld", bytesMax, codingsTaken: context.codingsTaken ?? [] },
    head,
  );
  switch (judgement.kind) {
    case "redirect":
      return { redirect: judgement.to };
    case "unchanged":
      return { result: succeeded(unchanged(order.path, url)) };
    case "refused":
      return { result: validators === null ? judgement.result : orOfCondition(judgement.result) };
    case "body":
      return begin(context, order, head, judgement.coding);
    default:
      return judgement satisfies never;
  }
}

function begin({ spare, limits: { bytesMax } }: AskContext, order: DownloadOrder, head: Head, coding: Coding | null): Body {
  const length = coding === null ? head.headers["content-length"] : undefined;
  order.onBody?.(length === undefined ? null : Number(length));
  return { file: new BodyFile(coding === null ? order.path : packedPath(order), { spare, bytesMax }), head, coding };
}

/** Where a body lies until it is unpacked. */
function packedPath({ path }: DownloadOrder): string {
  return `${path}.packed`;
}

function unchanged(path: string, url: URL): Download {
  const nothing = { bytes: 0, isEndTold: true, sha256: "", head: Buffer.alloc(0), contentType: null, etag: null, lastModified: null };
  return { path, finalUrl: url.href, status: 304, ...nothing };
}

function conclude(hop: Hop, verdict: Verdict | null): StageResult<Download> | Redirect {
  if (verdict === null) throw new Error("an answer without a head");
  if ("redirect" in verdict) return verdict;
  if ("result" in verdict) return verdict.result;
  return findShortPart(verdict.head, verdict.file.bytes) ?? succeeded(describe(hop, verdict));
}

/** The file that was asked for is made of the one that came. */
async function unpack(context: AskContext, hop: Hop, packed: Body, coding: Coding): Promise<StageResult<Download>> {
  const { order } = hop;
  packed.file.end();
  const file = new BodyFile(order.path, { spare: context.spare, bytesMax: context.limits.bytesMax });
  try {
    const from = { path: packedPath(order), head: packed.file.head, coding };
    const unpacked = await unpackBody(from, { file, gate: context.unpacking, signal: order.signal });
    return unpacked.ok ? succeeded(describe(hop, { ...packed, file })) : unpacked;
  } finally {
    await file.close();
  }
}

function describe({ url, order }: Hop, { file, head: { status, headers } }: Body): Download {
  const { sha256 } = file.end();
  return {
    path: order.path,
    bytes: file.bytes,
    isEndTold: headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined,
    sha256,
    head: file.head,
    finalUrl: url.href,
    status,
    contentType: headers["content-type"] ?? null,
    ...validatorsIn(headers),
  };
}

function bodyOf(verdict: Verdict | null): Body | undefined {
  return verdict !== null && "file" in verdict ? verdict : undefined;
}
