import Fastify, { type FastifyInstance, type FastifyRequest } from "fastify";
import { ProblemError } from "../problems.ts";

const PAGE = "/docs/";
const SCRIPT = "/docs/js/scalar.js";

/** The page that shows the API to people, and the script that it is drawn by. */
export function addDocsRoutes(app: FastifyInstance): void {
  // The page's own redirect names a path from the root, which is not ours behind a proxy that has one for us.
  app.get("/docs", { schema: { hide: true }, onRequest: demandHost }, async (_, reply) => reply.redirect("docs/", 301));

  let renderer: FastifyInstance | undefined;
  for (const url of [PAGE, SCRIPT]) {
    app.get(url, { schema: { hide: true }, onRequest: demandHost }, async (request, reply) => {
      renderer ??= await loadRenderer();
      const { statusCode, headers, rawPayload } = await renderer.inject({ url, headers: { host: request.headers.host } });
      return reply.code(statusCode).type(String(headers["content-type"])).send(rawPayload);
    });
  }
}

/** The page cannot do without a Host, which may be empty, or left out by HTTP/1.0. */
async function demandHost(request: FastifyRequest): Promise<void> {
  if (!request.headers.host) throw new ProblemError("bad_request", "Expected a Host header, got none.");
}

/** 5 MB of code, a tenth of the CPU of a start: loaded when somebody opens the page. */
async function loadRenderer(): Promise<FastifyInstance> {
  const { default: scalar } = await import("@scalar/fastify-api-reference");
  const renderer = Fastify();
  await renderer.register(scalar, {
    routePrefix: "/docs",
    configuration: { url: "../openapi.json", telemetry: false, withDefaultFonts: false },
  });
  return renderer;
}
