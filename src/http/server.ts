import multipart from "@fastify/multipart";
import swagger from "@fastify/swagger";
import Fastify, { type FastifyInstance } from "fastify";
import { isOutOfFiles } from "../domain/load/open-files.ts";
import { createCalmWarn } from "../observe/calm-warn.ts";
import type { Log } from "../observe/log.ts";
import { closeUnread } from "./close-unread.ts";
import { addDocsRoutes } from "./document/docs-routes.ts";
import { finishDocument, openapiOptions, type OpenapiDocument, SHARED_SCHEMAS } from "./document/openapi.ts";
import { multipartProblem } from "./upload/multipart-problem.ts";
import { addOutputRoutes, type OutputDeps } from "./files/output-routes.ts";
import { isDiskAway, isOutOfThreads, knownProblem, ownProblem, ProblemError, sendProblem, unavailable } from "./problems.ts";
import { protect, type ProtectionSettings } from "./protection.ts";
import { addServiceRoutes, HEALTH_PATHS, type ServiceDeps } from "./service-routes.ts";
import { addStatusRoute, type StatusDeps } from "./batch/status-route.ts";
import { addBatchRoutes, type BatchDeps } from "./batch/batch-routes.ts";
import { addCancelRoute, type CancelRouteDeps } from "./batch/cancel-route.ts";
import { addPauseRoutes, type PauseRouteDeps } from "./batch/pause-routes.ts";
import { addPreflightRoute, type PreflightRouteDeps } from "./upload/preflight-route.ts";
import { readOffBeforeClose } from "./read-off.ts";
import { NDJSON } from "./upload/receive-any.ts";
import { answerOddRequests, HEAD_BYTES_MAX, refuseConnection, refusePath } from "./refuse-connection.ts";
import { refuseOtherMethods } from "./refuse-methods.ts";
import { addRemoveRoute, type RemoveRouteDeps } from "./batch/remove-route.ts";
import { addReportRoutes, type ReportRouteDeps } from "./files/report-routes.ts";
import { addResultRoutes, type ResultDeps } from "./files/result-routes.ts";
import { buildSerializer } from "./serializers.ts";
import { addUploadRoute } from "./upload/upload-route.ts";

export type HttpDeps = BatchDeps &
  PauseRouteDeps &
  CancelRouteDeps &
  RemoveRouteDeps &
  PreflightRouteDeps &
  ReportRouteDeps &
  StatusDeps &
  OutputDeps &
  ResultDeps &
  ServiceDeps & {
    settings: ProtectionSettings & { uploadBytesMax: number; uploadMs: number; version: string };
    isUnavailable(error: unknown): boolean;
    /** Told of each error that ends in a 500. */
    onUnexpected(error: unknown): void;
    log: Log;
  };

/** For what fastify would read by itself. What our routes take comes to them as a stream, and each has a limit of its own. */
const BODY_BYTES_MAX = 16 * 1024;
const HEADERS_MS = 15_000;
/** What curl, browsers and scripts call a CSV. */
const CSV_TYPES = [
  "text/csv",
  "application/csv",
  "text/plain",
  "text/tab-separated-values",
  "application/vnd.ms-excel",
  "application/gzip",
  "application/octet-stream",
];

export async function createServer(deps: HttpDeps): Promise<FastifyInstance> {
  const app = Fastify({
    logger: false,
    bodyLimit: BODY_BYTES_MAX,
    connectionTimeout: 0,
    keepAliveTimeout: 65_000,
    // The upload has a deadline of its own; a request line and headers must come at once.
    requestTimeout: 0,
    forceCloseConnections: "idle",
    // By ourselves, with a problem.
    return503OnClosing: false,
    // A missing Host is refused by us, with a reason.
    http: { headersTimeout: HEADERS_MS, requireHostHeader: false },
    schemaController: { compilersFactory: { buildSerializer } },
    // That the schemas are ones is tested with openapi.json, and not at every start.
    ajv: { customOptions: { strict: false, coerceTypes: true, removeAdditional: false, validateSchema: false, meta: false } },
    // A parameter of any length reaches its route, which answers itself what names nothing; Node's cap on a head bounds it.
    routerOptions: { maxParamLength: HEAD_BYTES_MAX },
    clientErrorHandler: refuseConnection,
    frameworkErrors: refusePath,
  });
  for (const schema of SHARED_SCHEMAS) app.addSchema(schema);
  acceptStreams(app);
  await app.register(multipart);
  await app.register(swagger, {
    openapi: openapiOptions(deps.settings.version) as object,
    transformObject: (given) => ("openapiObject" in given ? finishDocument(given.openapiObject as OpenapiDocument) : {}),
    refResolver: {
      buildLocalReference: (json, _base, _fragment, index) => (typeof json["$id"] === "string" ? json["$id"] : `Schema${index}`),
    },
  });
  answerOddRequests(app.server);
  closeUnread(app.server);
  refuseWhileClosing(app);
  protect(app, deps.settings);
  answerErrors(app, deps);
  logRequests(app, deps.log);

  const refuseRest = refuseOtherMethods(app);
  addServiceRoutes(app, deps);
  for (const prefix of ["", "/api"] as const) {
    addUploadRoute(app, deps, prefix);
    addStatusRoute(app, deps, prefix);
  }
  addBatchRoutes(app, deps);
  addPreflightRoute(app, deps);
  addPauseRoutes(app, deps);
  addCancelRoute(app, deps);
  addRemoveRoute(app, deps);
  addReportRoutes(app, deps);
  addResultRoutes(app, deps);
  addOutputRoutes(app, deps);
  refuseRest();
  addDocsRoutes(app);
  await app.ready();
  return app;
}

/** The CSV, or the products, may come as the body itself: handed on as the stream that it is. */
function acceptStreams(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    [...CSV_TYPES, "application/json", ...NDJSON],
    { bodyLimit: Number.MAX_SAFE_INTEGER },
    (_request, payload, done) => done(null, payload),
  );
}

/** The port is closed by then, but connections with an answer on its way are open, and may bring another request behind it. */
function refuseWhileClosing(app: FastifyInstance): void {
  let isClosing = false;
  app.addHook("preClose", async () => {
    isClosing = true;
  });
  app.addHook("onRequest", async ({ url }, { raw: response }) => {
    if (!isClosing || HEALTH_PATHS.test(url)) return;
    // For readOffBeforeClose(), since it ends its connection.
    response.shouldKeepAlive = false;
    throw unavailable("The service is stopping; try again in a few seconds.", 5);
  });
}

function answerErrors(app: FastifyInstance, { isUnavailable, onUnexpected, log }: HttpDeps): void {
  const warn = createCalmWarn({ log, isKnown: isUnavailable });
  app.setNotFoundHandler(() => {
    throw new ProblemError("not_found", "There is no such route; /docs lists them.");
  });
  app.setErrorHandler(async (error: Error & { code?: string; syscall?: string }, request, reply) => {
    await readOffBeforeClose(request, reply);
    // Our own words may well be about a boundary.
    const known =
      ownProblem(error) ?? (request.isMultipart() ? multipartProblem(error) : null) ?? knownProblem(error, request, isUnavailable);
    if (isOutOfFiles(error))
      log.warn({ err: error }, "no further file or connection can be opened: raise the limit of open files, or lower DOWNLOADS");
    else if (known !== error && known?.problem === "unavailable" && isUnavailable(error))
      warn(error, "a request could not reach the database");
    if (isOutOfThreads(error)) log.warn({ err: error }, "no further thread can be started: raise the limit of processes or of memory");
    if (isDiskAway(error)) log.error({ err: error }, "a request could not reach the disk");
    if (known) return sendProblem(request, reply, known);
    log.error({ err: error, method: request.method, route: request.routeOptions.url }, "a request failed unexpectedly");
    onUnexpected(error);
    return sendProblem(
      request,
      reply,
      new ProblemError("internal_error", "The request could not be served; the operator finds the reason in the log."),
    );
  });
}

/** One wide event for each request; paths are patterns, so that no token or id is written down. */
function logRequests(app: FastifyInstance, log: Log): void {
  app.addHook("onResponse", async (request, reply) => {
    log.debug(
      {
        method: request.method,
        route: request.routeOptions.url ?? "none",
        status: reply.statusCode,
        durationMs: Math.round(reply.elapsedTime),
      },
      "request",
    );
  });
}
