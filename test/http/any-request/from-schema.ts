import fc from "fast-check";
import naughtyStrings from "big-list-of-naughty-strings" with { type: "json" };
import { DOCUMENT } from "../../support/openapi-document.ts";

export type Schema = {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  patternProperties?: Record<string, Schema>;
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  format?: string;
  examples?: unknown[];
};

/** Values for members and parameters of these names, where the schema alone would send the service to strange hosts or to nothing. */
export type Known = Record<string, fc.Arbitrary<unknown>>;

export const garbageText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.constantFrom(...naughtyStrings),
  fc.constantFrom("", " ", "\0", "null", "-1", "1e999", "[]", "{}", "..", "%", "\ud800", "a".repeat(9_000)),
);
export const garbage: fc.Arbitrary<unknown> = fc.oneof(
  garbageText,
  fc.jsonValue({ maxDepth: 3 }),
  fc.double(),
  fc.maxSafeInteger(),
  fc.constantFrom(null, true, {}, [], [[]], { __proto__: null }),
);

/** Values that the schema allows. */
export function valuesOf(schema: Schema, known: Known, name = ""): fc.Arbitrary<unknown> {
  const special = Object.hasOwn(known, name) ? known[name] : undefined;
  if (special) return special;
  if (schema.$ref !== undefined) return valuesOf(resolve(schema.$ref), known, name);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((one) => valuesOf(one, known, name)));
  switch ([schema.type].flat()[0]) {
    case "string":
      return texts(schema);
    case "integer":
      return fc.integer({ min: schema.minimum ?? -1_000, max: schema.maximum ?? 100_000 });
    case "number":
      return fc.double({ min: schema.minimum ?? -1_000, max: schema.maximum ?? 1_000, noNaN: true });
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "array":
      return fc.array(valuesOf(schema.items ?? {}, known, name), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 4, 4),
      });
    case "object":
      return objects(schema, known);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function resolve(ref: string): Schema {
  return ref
    .slice(2)
    .split("/")
    .reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], DOCUMENT) as Schema;
}

function texts({ pattern, format, minLength = 0, maxLength = 40, examples = [] }: Schema): fc.Arbitrary<unknown> {
  const examplesOr = (other: fc.Arbitrary<unknown>) => (examples.length > 0 ? fc.oneof(fc.constantFrom(...examples), other) : other);
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern));
  if (format === "uuid") return examplesOr(fc.uuid());
  if (format === "date-time") return fc.date({ noInvalidDate: true }).map((date) => date.toISOString());
  return examplesOr(fc.string({ minLength, maxLength: Math.min(maxLength, 40), unit: "grapheme" }));
}

const OPTIONS_AT_ONCE = 2;

function objects({ properties = {}, required = [], additionalProperties, patternProperties }: Schema, known: Known): fc.Arbitrary<unknown> {
  const optional = Object.keys(properties).filter((name) => !required.includes(name));
  const recordOf = (names: string[]) =>
    fc.record(Object.fromEntries(names.map((name) => [name, valuesOf(properties[name] ?? {}, known, name)])));
  // A few at a time: of twenty options that are each right by the schema, some two do not go together.
  const members = fc
    .shuffledSubarray(optional, { maxLength: Math.min(optional.length, OPTIONS_AT_ONCE) })
    .chain((some) => recordOf([...required, ...some]));
  const others = Object.values(patternProperties ?? {})[0] ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
  if (!others) return members;
  return fc
    .tuple(members, fc.dictionary(fc.string({ maxLength: 12 }), valuesOf(others, known), { maxKeys: 3 }))
    .map(([named, more]) => ({ ...more, ...named }));
}

/** Such a value with one thing changed somewhere in it: a member less, a strange one more, or another value at a place. */
export function nearly(values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc
    .tuple(values, fc.infiniteStream(fc.nat({ max: 5 })), garbage, garbageText)
    .map(([value, choices, other, key]) => change(value, choices, other, key));
}

function change(value: unknown, choices: Iterator<number>, other: unknown, key: string): unknown {
  const choice: number = choices.next().value ?? 0;
  if (typeof value !== "object" || value === null || choice === 0) return other;
  const keys = Object.keys(value);
  const at = keys[choice % Math.max(keys.length, 1)];
  if (choice === 1 || at === undefined) return Array.isArray(value) ? [...value, other] : { ...value, [key]: other };
  const entries = Object.entries(value).flatMap(([name, inside]): [string, unknown][] =>
    name !== at ? [[name, inside]] : choice === 2 ? [] : [[name, change(inside, choices, other, key)]],
  );
  return Array.isArray(value) ? entries.map(([, inside]) => inside) : Object.fromEntries(entries);
}
