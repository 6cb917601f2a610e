import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { SERVER } from "./document/openapi.ts";
import { HOSTLESS_PROBLEMS, problemResponses } from "./problem-responses.ts";

export type ServiceDeps = { settings: { publicUrl: () => string }; isReady(): Promise<boolean>; isStopping(): boolean };

/** What watches over the service asks them: they are answered to whomever, and until the end. */
export const HEALTH_PATHS = /^\/(healthz|readyz)(\?|$)/;

const Health = Type.Object(
  { status: Type.String({ description: "`ok`, or why not." }) },
  { title: "Health", description: "Whether the service can work.", examples: [{ status: "ok" }] },
);

const response = (description: string) => ({ description, content: { "application/json": { schema: Health } } });

export function addServiceRoutes(app: FastifyInstance, deps: ServiceDeps): void {
  // Relative, since a proxy may give us a path that PUBLIC_URL names and no request does.
  app.get("/", { schema: { hide: true } }, (_, reply) => reply.redirect("docs/"));

  app.get(
    "/healthz",
    {
      schema: {
        operationId: "getHealth",
        summary: "Whether the process lives",
        description: "The process answers without asking anything else: restart it where no answer comes.",
        tags: ["service"],
        security: [],
        response: { 200: response("The process lives."), ...problemResponses([], HOSTLESS_PROBLEMS) },
      },
    },
    async () => ({ status: "ok" }),
  );

  app.get(
    "/readyz",
    {
      schema: {
        operationId: "getReadiness",
        summary: "Whether the service can do its work",
        description:
          "The process asks the database: send no requests here while the answer is 503, as it is from the moment that the service begins to stop.",
        tags: ["service"],
        security: [],
        response: {
          200: response("The database can be reached."),
          503: response("The database cannot be reached, or the service is stopping."),
          ...problemResponses([], HOSTLESS_PROBLEMS),
        },
      },
    },
    async (_, reply) => {
      if (deps.isStopping()) return reply.code(503).send({ status: "stopping" });
      const isReady = await deps.isReady();
      return reply.code(isReady ? 200 : 503).send({ status: isReady ? "ok" : "database unavailable" });
    },
  );

  addOpenapiRoute(app, deps);
}

function addOpenapiRoute(app: FastifyInstance, { settings }: ServiceDeps): void {
  app.get(
    "/openapi.json",
    {
      schema: {
        operationId: "getOpenapi",
        summary: "Read this document",
        description:
          "This OpenAPI 3.1 document. It differs from openapi.json in the repository only in the server's path, which is that of PUBLIC_URL.",
        tags: ["service"],
        security: [],
        response: {
          200: {
            description: "The document.",
            content: { "application/json": { schema: { type: "object", additionalProperties: true }, example: { openapi: "3.1.0" } } },
          },
          ...problemResponses(["unavailable"]),
        },
      },
    },
    async () => {
      const { pathname } = new URL(settings.publicUrl());
      return { ...app.swagger(), servers: [{ ...SERVER, url: pathname }] };
    },
  );
}
