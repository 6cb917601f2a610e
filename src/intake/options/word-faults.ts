import type { TSchema } from "typebox";
import { Errors, Pointer } from "typebox/schema";
import { SECRET_OPTIONS } from "../../domain/secret/secret-options.ts";

export type Fault = { field: string; message: string };

/** Thrown by who reads options; its sentence is for the caller. */
export class OptionFaults extends Error {
  readonly faults: Fault[];
  constructor(faults: Fault[]) {
    const sentences = faults.map(({ field, message }) => `${field}: ${message}`);
    super(sentences.join("; ").replaceAll(".; ", "; "));
    this.faults = faults;
  }
}

const SHOWN_CHARS_MAX = 60;

/**
 * What is wrong with options, in a sentence for each field: what its schema expects, and what came. `also` is what else
 * a field takes, beside its schema.
 */
export function wordFaults(schema: TSchema, options: unknown, also: Readonly<Record<string, string>> = {}): Fault[] {
  const faults: Fault[] = [];
  const expected = new Map<string, Set<string>>();
  const [, errors] = Errors(schema, options);
  for (const { keyword, instancePath, schemaPath, params } of errors) {
    // An unknown option is reported twice, by the object and at its own place; a union by each of its members.
    if (keyword === "boolean" || keyword === "anyOf") continue;
    const place = Pointer.Get(schema, schemaPath.slice(1)) as Schema;
    if (keyword === "additionalProperties") {
      faults.push(noSuchOption((params as { additionalProperties: string[] }).additionalProperties, place, instancePath.slice(1)));
    } else if (keyword === "required") {
      const missing = (params as { requiredProperties: string[] }).requiredProperties.join(" and ");
      faults.push({ field: instancePath.slice(1), message: `Expected ${expectationOf(place)}, got one without ${missing}.` });
    } else expected.set(instancePath, (expected.get(instancePath) ?? new Set()).add(expectationOf(place)));
  }
  for (const [path, expectations] of expected) {
    const field = path.slice(1);
    const wanted = [...expectations, also[field] ?? []].flat().join(", or ");
    const got = isSecret(field) ? hide(Pointer.Get(options, path)) : show(Pointer.Get(options, path));
    faults.push({ field: field || "options", message: `Expected ${wanted}, got ${got}.` });
  }
  return faults;
}

/** As far as our schemas of options go. */
type Schema = {
  type?: string;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  pattern?: string;
  properties?: object;
  required?: string[];
  examples?: unknown[];
};

function noSuchOption(names: string[], { properties = {} }: Schema, place: string): Fault {
  const where = place === "" ? "" : ` in ${place}`;
  return {
    field: names.map((name) => (place === "" ? name : `${place}/${name}`)).join(", "),
    message: `There is no such option${where}; there ${Object.keys(properties).length === 1 ? "is" : "are"} ${Object.keys(properties).join(", ")}.`,
  };
}

function expectationOf({ type, examples = [], ...schema }: Schema): string {
  if (schema.enum) return `one of ${schema.enum.join(", ")}`;
  const such = examples.length === 0 ? "" : ` such as ${JSON.stringify(examples[0])}`;
  switch (type) {
    case "integer":
      return `a whole number${span(" from ", schema.minimum, schema.maximum)}`;
    case "string":
      if (schema.pattern !== undefined) return `text${such} (${schema.pattern})`;
      return schema.maxLength === undefined ? "text" : `text${span(" of ", schema.minLength, schema.maxLength)} characters`;
    case "array":
      return `a list${span(" of ", schema.minItems, schema.maxItems)}${such}`;
    default:
      return schema.required ? `an object with ${schema.required.join(" and ")}` : `an object${such}`;
  }
}

function span(before: string, min: number | undefined, max: number | undefined): string {
  if (max === undefined) return "";
  return min === undefined ? ` of at most ${max}` : `${before}${min} to ${max}`;
}

function isSecret(field: string): boolean {
  return SECRET_OPTIONS.includes(field.split("/")[0] ?? "");
}

/** Its kind and size only. */
function hide(value: unknown): string {
  if (typeof value === "string") return `text of ${value.length} characters`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return value === null ? "null" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** As JSON, where it is short enough to be recognised. A list where there should be one value: an option that came twice. */
function show(value: unknown): string {
  if (typeof value === "string" && value.length > SHOWN_CHARS_MAX) return hide(value);
  const text = writeJson(value);
  if (text === null || text.length > SHOWN_CHARS_MAX) return hide(value);
  return Array.isArray(value) && value.length > 1 ? `${value.length} at once: ${text}` : text;
}

/** Null where it is nested too deeply: parsing takes any depth, writing some thousand levels. */
function writeJson(value: unknown): string | null {
  try {
    return JSON.stringify(value) ?? null;
  } catch {
    return null;
  }
}
