import type { FastifyInstance } from "fastify";
import { ProblemError } from "./problems.ts";

/**
 * Answers 405 and what is allowed (RFC 9110 §15.5.6) where a path is known and the method is not. Call the result once all
 * routes are there.
 */
export function refuseOtherMethods(app: FastifyInstance): () => void {
  const routes = new Map<string, string[]>();
  app.addHook("onRoute", ({ url, method }) => {
    routes.set(url, [...(routes.get(url) ?? []), ...[method].flat()]);
  });
  return () => {
    for (const [url, known] of routes) {
      const allow = [...new Set(known)].join(", ");
      app.route({
        url,
        method: app.supportedMethods.filter((method) => !known.includes(method)),
        schema: { hide: true },
        // Before a body is looked at.
        onRequest: async (request) => {
          throw new ProblemError("method_not_allowed", `Expected ${allow} here, got ${request.method}.`, { headers: { allow } });
        },
        handler: () => {},
      });
    }
  };
}
