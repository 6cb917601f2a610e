import multipart from "@fastify/multipart";
import swagger from "@fastify/swagger";
import scalar from "@scalar/fastify-api-reference";
import Fastify, { type FastifyInstance } from "fastify";
import type { Log } from "../observe/log.ts";
import { openapiOptions, SHARED_SCHEMAS } from "./openapi.ts";
import { addOutputRoutes, type OutputDeps } from "./output-routes.ts";
import { knownProblem, ProblemError, sendProblem } from "./problems.ts";
import { protect, type ProtectionSettings } from "./protection.ts";
import { addServiceRoutes, type ServiceDeps } from "./service-routes.ts";
import { addStatusRoute, type StatusDeps } from "./status-route.ts";
import { addBatchRoutes, NDJSON, type BatchDeps } from "./batch-routes.ts";
import { addResultRoutes, type ResultDeps } from "./result-routes.ts";
import { addUploadRoute } from "./upload-route.ts";

export type HttpDeps = BatchDeps & StatusDeps & OutputDeps & ResultDeps & ServiceDeps & {
  settings: ProtectionSettings & { uploadBytesMax: number; version: string };
  isUnavailable(error: unknown): boolean;
  log: Log;
};

/** Routes other than the upload take no body; what is sent anyway is small. */
const BODY_BYTES_MAX = 16 * 1024;
const HEADERS_MS = 15_000;
/** What curl, browsers and scripts call a CSV. */
const CSV_TYPES = ["text/csv", "application/csv", "text/plain", "text/tab-separated-values", "application/vnd.ms-excel", "application/gzip", "application/octet-stream"];

export async function createServer(deps: HttpDeps): Promise<FastifyInstance> {
  const app = Fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    connectionTimeout: 0,
    keepAliveTimeout: 65_000,
    // The upload has a deadline of its own; a request line and headers must come at once.
    requestTimeout: 0,
    forceCloseConnections: "idle",
    http: { headersTimeout: HEADERS_MS },
    ajv: { customOptions: { strict: false, coerceTypes: true, removeAdditional: false } },
    routerOptions: { maxParamLength: 200 },
  });
  for (const schema of SHARED_SCHEMAS) app.addSchema(schema);
  acceptStreams(app);
  await app.register(multipart);
  await app.register(swagger, { openapi: openapiOptions(deps.settings.version) as object, refResolver: { buildLocalReference: (json, _base, _fragment, index) => (typeof json["$id"] === "string" ? json["$id"] : `Schema${index}`) } });
  protect(app, deps.settings);
  answerErrors(app, deps);
  logRequests(app, deps.log);

  addServiceRoutes(app, deps);
  for (const prefix of ["", "/api"] as const) {
    addUploadRoute(app, deps, prefix);
    addStatusRoute(app, deps, prefix);
  }
  addBatchRoutes(app, deps);
  addResultRoutes(app, deps);
  addOutputRoutes(app, deps);
  await app.register(scalar, { routePrefix: "/docs", configuration: { url: "/openapi.json", telemetry: false, withDefaultFonts: false } });
  await app.ready();
  return app;
}

/** The CSV, or the products, may come as the body itself: handed on as the stream that it is. */
function acceptStreams(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser([...CSV_TYPES, "application/json", ...NDJSON], { bodyLimit: Number.MAX_SAFE_INTEGER }, (_request, payload, done) => done(null, payload));
}

function answerErrors(app: FastifyInstance, { isUnavailable, log }: HttpDeps): void {
  app.setNotFoundHandler((request, reply) => sendProblem(request, reply, new ProblemError("not_found", "There is no such route; /docs lists them.")));
  app.setErrorHandler((error: Error & { code?: string }, request, reply) => {
    const multipartCode = error.code?.startsWith("FST_") && request.isMultipart() ? new ProblemError("bad_multipart", error.message) : null;
    const known = knownProblem(error, isUnavailable) ?? multipartCode ?? brokenMultipart(error, request.isMultipart());
    if (known) return sendProblem(request, reply, known);
    log.error({ err: error, method: request.method, route: request.routeOptions.url }, "a request failed unexpectedly");
    return sendProblem(request, reply, new ProblemError("internal_error", "The request could not be served; the operator finds the reason in the log."));
  });
}

/** busboy's own errors carry no code, only words. */
function brokenMultipart(error: Error, isMultipart: boolean): ProblemError | null {
  if (!isMultipart || !/multipart|boundary|unexpected end of (form|file)|malformed part header/i.test(error.message)) return null;
  return new ProblemError("bad_multipart", `The multipart body could not be read: ${error.message}.`);
}

/** One wide event for each request; paths are patterns, so that no token or id is written down. */
function logRequests(app: FastifyInstance, log: Log): void {
  app.addHook("onResponse", async (request, reply) => {
    log.debug({ method: request.method, route: request.routeOptions.url ?? "none", status: reply.statusCode, durationMs: Math.round(reply.elapsedTime) }, "request");
  });
}
