import { isDeepStrictEqual } from "node:util";

type Json = unknown;
type Schemas = Record<string, Json>;

/**
 * Gives every schema with a `title` a place of its own among the document's components, so that generated clients have a
 * type of that name and not the same nameless one at each place. In the code such schemas stay where they are: what
 * checks values there knows no document.
 */
export function nameSchemas(document: { components: { schemas: Schemas } }): object {
  const named: Schemas = {};
  const schemas = Object.fromEntries(
    Object.entries(document.components.schemas).map(([name, schema]) => [name, hoistInside(schema, named)]),
  );
  const { components, ...rest } = hoistInside(
    { ...document, components: { ...document.components, schemas: {} } },
    named,
  ) as typeof document;
  const all = Object.entries({ ...schemas, ...named }).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return { ...rest, components: { ...components, schemas: Object.fromEntries(all) } };
}

function hoist(node: Json, named: Schemas): Json {
  const inside = hoistInside(node, named);
  if (!isTitled(inside)) return inside;
  const { title, ...schema } = inside;
  const known = named[title];
  if (known !== undefined && !isDeepStrictEqual(known, schema)) throw new Error(`two schemas that differ have the title ${title}`);
  named[title] = schema;
  return { $ref: `#/components/schemas/${title}` };
}

function hoistInside(node: Json, named: Schemas): Json {
  if (Array.isArray(node)) return node.map((one) => hoist(one, named));
  if (typeof node !== "object" || node === null) return node;
  return Object.fromEntries(
    Object.entries(described(node)).map(([key, value]) => {
      if (key === "properties") return [key, mapValues(value, (property) => hoist(property, named))];
      return [key, IS_DATA.has(key) ? value : hoist(value, named)];
    }),
  );
}

/** The generator takes the description of a parameter out of its schema, which so would differ from that of a body's member. */
function described(node: object): object {
  if (!("in" in node && "schema" in node && "description" in node) || !isTitled(node.schema)) return node;
  return { ...node, schema: { ...node.schema, description: node.description } };
}

/** Names of the caller's, among which `examples` and `title` are no keywords. */
function mapValues(node: object, change: (value: Json) => Json): object {
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, change(value)]));
}

/** What stands there is a caller's value and no schema. */
const IS_DATA = new Set(["example", "examples", "value", "info"]);

function isTitled(node: Json): node is { title: string } & Schemas {
  return typeof node === "object" && node !== null && "title" in node && typeof node.title === "string";
}
