import { hash, timingSafeEqual } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { ProblemError } from "./problems.ts";
import { HEALTH_PATHS } from "./service-routes.ts";

export type ProtectionSettings = { auth: "keys" | "none" | "loopback"; apiKeys: readonly string[]; publicUrl: () => string };

/** Open without a key: an output's URL holds a secret of its own, and the rest tells nothing of anybody's. */
const OPEN_PATHS = /^\/(healthz|readyz|openapi\.json|docs(\/.*)?|outputs\/.*)?$/;
const LOCAL_HOSTS = new Set(["localhost", "127.0.0.1", "[::1]"]);
const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * With keys: a key. On an unauthenticated loopback: protection against the web pages that a browser on this
 * machine visits, since those can send requests here too (DNS rebinding changes their Host, CSRF their Origin).
 */
export function protect(app: FastifyInstance, settings: ProtectionSettings): void {
  const keyHashes = settings.apiKeys.map(digestOf);
  app.addHook("onRequest", async (request) => {
    demandHost(request);
    switch (settings.auth) {
      case "none":
        return;
      case "keys":
        return demandKey(request, keyHashes);
      case "loopback":
        // A balancer asks by an address or without a Host, and a page that got in by DNS rebinding learns nothing from the answer.
        if (!HEALTH_PATHS.test(request.url)) demandOwnHost(request, settings.publicUrl());
        return demandOwnOrigin(request, settings.publicUrl());
      default:
        return settings.auth satisfies never;
    }
  });
}

/** RFC 9112 §3.2: HTTP/1.1 has one, and what is in it is a host, if anything. */
function demandHost({ headers: { host }, raw }: FastifyRequest): void {
  if (host === undefined ? raw.httpVersion !== "1.1" : host === "" || URL.canParse(`http://${host}`)) return;
  throw new ProblemError(
    "bad_request",
    `Expected a Host header (RFC 9112 §3.2), got ${host === undefined ? "none" : "one that names no host"}.`,
  );
}

function demandKey(request: FastifyRequest, keyHashes: readonly Buffer[]): void {
  if (OPEN_PATHS.test(pathOf(request))) return;
  const [, key] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
  // Hashes have one length, and every key is compared, so that time tells nothing.
  const given = digestOf(key ?? "");
  const isKnown = keyHashes.map((known) => timingSafeEqual(known, given)).includes(true);
  if (key === undefined || !isKnown) {
    throw new ProblemError("unauthorized", "Expected the header `Authorization: Bearer KEY` with one of the keys in API_KEYS.", {
      headers: { "www-authenticate": 'Bearer realm="pressrun"' },
    });
  }
}

function demandOwnHost(request: FastifyRequest, publicUrl: string): void {
  const host = request.headers.host ?? "";
  const name = host.replace(/:\d+$/, "").toLowerCase();
  if (LOCAL_HOSTS.has(name) || host.toLowerCase() === new URL(publicUrl).host) return;
  throw new ProblemError(
    "forbidden_host",
    "Expected a Host of localhost, 127.0.0.1, [::1] or that of PUBLIC_URL. For a service that others reach set API_KEYS, and PUBLIC_URL to where they reach it.",
  );
}

function demandOwnOrigin(request: FastifyRequest, publicUrl: string): void {
  if (SAFE_METHODS.has(request.method)) return;
  const { origin } = request.headers;
  const isForeign = origin !== undefined && origin !== `http://${request.headers.host}` && origin !== new URL(publicUrl).origin;
  if (isForeign || request.headers["sec-fetch-site"] === "cross-site") {
    throw new ProblemError("forbidden_origin", "A web page of another site may not send this. Set API_KEYS and send a key if it is meant.");
  }
}

function pathOf(request: FastifyRequest): string {
  return request.url.split("?")[0] ?? "/";
}

function digestOf(text: string): Buffer {
  return hash("sha256", text, "buffer");
}
