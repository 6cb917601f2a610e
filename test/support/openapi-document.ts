import { readFileSync } from "node:fs";

export type MediaType = { schema?: object; example?: unknown; examples?: Record<string, { $ref?: string; value?: unknown }> };
export type ApiResponse = { description: string; headers?: Record<string, object>; content?: Record<string, MediaType> };
export type Parameter = { name: string; in: "path" | "query" | "header"; required?: boolean; schema: object; example?: unknown };
export type Operation = {
  operationId: string;
  summary?: string;
  description?: string;
  parameters?: Parameter[];
  requestBody?: { required?: boolean; content: Record<string, MediaType> };
  responses: Record<string, ApiResponse>;
};
export type Document = {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  webhooks: Record<string, { post: Operation }>;
  components: { schemas: Record<string, { examples?: unknown[] }>; examples: Record<string, { value: unknown }> };
};

/** The document as it is committed; a test holds it to the code. */
export const DOCUMENT = JSON.parse(readFileSync(new URL("../../openapi.json", import.meta.url), "utf8")) as Document;

export type Place = { template: string; operation: Operation };

/** What removes comes last: there must be something to ask for by the others. */
export const OPERATIONS: readonly (Place & { method: string })[] = Object.entries(DOCUMENT.paths)
  .flatMap(([template, path]) => Object.entries(path).map(([method, operation]) => ({ template, method: method.toUpperCase(), operation })))
  .toSorted((one, other) => Number(one.method === "DELETE") - Number(other.method === "DELETE"));

const TEMPLATES = Object.keys(DOCUMENT.paths)
  .map((template) => ({
    template,
    pattern: new RegExp(`^${template.replaceAll(".", "\\.").replaceAll(/\{[^}]+\}/g, "[^/]*")}$`),
    parameters: template.split("{").length,
  }))
  // `/outputs/{token}/results.csv` goes before `/outputs/{token}/{fileName}`.
  .toSorted((a, b) => a.parameters - b.parameters);

/** The path of the document that a URL's path belongs to. */
export function findTemplate(pathname: string): string | null {
  return TEMPLATES.find(({ pattern }) => pattern.test(pathname))?.template ?? null;
}

export function findOperation(template: string, method: string): Operation | null {
  return DOCUMENT.paths[template]?.[(method === "HEAD" ? "GET" : method).toLowerCase()] ?? null;
}
