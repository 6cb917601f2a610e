import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { problemResponses } from "./problem-responses.ts";

export type ServiceDeps = { isReady(): Promise<boolean> };

const Health = Type.Object(
  { status: Type.String({ description: "ok, or what is missing." }) },
  { title: "Health", description: "How the service is.", examples: [{ status: "ok" }] },
);

const response = (description: string) => ({ description, content: { "application/json": { schema: Health } } });

export function addServiceRoutes(app: FastifyInstance, deps: ServiceDeps): void {
  app.get("/", { schema: { hide: true } }, (_, reply) => reply.redirect("/docs"));

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
        description: "OpenAPI 3.1; the same as openapi.json in the repository.",
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
    async () => app.swagger(),
  );
}
