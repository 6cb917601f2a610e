import { SerializerSelector } from "@fastify/fast-json-stringify-compiler";

/**
 * Compiles each distinct response schema once. Nearly every route answers with the same problems under several statuses:
 * compiled for each of them, they were most of a start's CPU.
 */
export const buildSerializer: ReturnType<typeof SerializerSelector> = (externalSchemas, options) => {
  const compile = SerializerSelector()(externalSchemas, options);
  const compiled = new Map<string, ReturnType<typeof compile>>();
  return (route) => {
    const key = JSON.stringify(route.schema);
    const known = compiled.get(key) ?? compile(route);
    compiled.set(key, known);
    return known;
  };
};
