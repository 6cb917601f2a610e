import type { FastifyInstance } from "fastify";
import Type from "typebox";

export type ServiceDeps = { isReady(): Promise<boolean> };

const Health = Type.Object({ status: Type.String({ examples: ["ok"] }) });

export function addServiceRoutes(app: FastifyInstance, deps: ServiceDeps): void {
  app.get("/", { schema: { hide: true } }, (_, reply) => reply.redirect("/docs"));

  app.get("/healthz", {
    schema: { operationId: "getHealth", summary: "Whether the process lives", tags: ["service"], security: [], response: { 200: { description: "It does.", ...Health } } },
  }, async () => ({ status: "ok" }));

  app.get("/readyz", {
    schema: {
      operationId: "getReadiness", summary: "Whether the service can do its work", tags: ["service"], security: [],
      response: { 200: { description: "The database is reached and migrated.", ...Health }, 503: { description: "It is not.", ...Health } },
    },
  }, async (_, reply) => {
    const isReady = await deps.isReady();
    return reply.code(isReady ? 200 : 503).send({ status: isReady ? "ok" : "database unavailable" });
  });

  app.get("/openapi.json", { schema: { hide: true } }, async () => app.swagger());
}
