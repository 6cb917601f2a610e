import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { SERVER } from "./openapi.ts";
import { problemResponses } from "./problem-responses.ts";

export type ServiceDeps = { settings: { publicUrl: () => string }; isReady(): Promise<boolean> };

const Health = Type.Object(
  { status: Type.String({ description: "ok, or what is missing." }) },
  { title: "Health", description: "How the service is.", examples: [{ status: "ok" }] },
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
        description: "Answered by the process alone: restart it where there is no answer.",
        tags: ["service"],
        security: [],
        response: { 200: response("It does."), ...problemResponses([]) },
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
        description: "Asks the database: send no requests here while it says no.",
        tags: ["service"],
        security: [],
        response: { 200: response("The database is reached."), 503: response("It is not."), ...problemResponses([]) },
      },
    },
    async (_, reply) => {
      const isReady = await deps.isReady();
      return reply.code(isReady ? 200 : 503).send({ status: isReady ? "ok" : "database unavailable" });
    },
  );

  app.get(
    "/openapi.json",
    {
      schema: {
        operationId: "getOpenapi",
        summary: "Read this document",
        description: "OpenAPI 3.1; the same as openapi.json in the repository, but that the server has the path of PUBLIC_URL.",
        tags: ["service"],
        security: [],
        response: {
          200: {
            description: "The document.",
            content: { "application/json": { schema: { type: "object", additionalProperties: true }, example: { openapi: "3.1.0" } } },
          },
          ...problemResponses([]),
        },
      },
    },
    async () => {
      const { pathname } = new URL(deps.settings.publicUrl());
      return { ...app.swagger(), servers: [{ ...SERVER, url: pathname }] };
    },
  );
}
