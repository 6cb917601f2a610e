import { SerializerSelector } from "@fastify/fast-json-stringify-compiler";

/**
 * Compiles each distinct response schema once, when it first answers. Nearly every route answers with the same problems under
 * several statuses: compiled for each of them at the start, they were most of its CPU.
 */
export const buildSerializer: ReturnType<typeof SerializerSelector> = (externalSchemas, options) => {
  const compile = SerializerSelector()(externalSchemas, options);
  const serializers = new Map<string, ReturnType<typeof compile>>();
  return (route) => {
    const key = JSON.stringify(route.schema);
    const known = serializers.get(key) ?? onFirstUse(() => compile(route));
    serializers.set(key, known);
    return known;
  };
};

function onFirstUse<Arguments extends unknown[], Result>(make: () => (...args: Arguments) => Result): (...args: Arguments) => Result {
  let made: ((...args: Arguments) => Result) | undefined;
  return (...args) => (made ??= make())(...args);
}
