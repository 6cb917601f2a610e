import { Check } from "typebox/schema";
import type { Static } from "typebox";
import { PreflightOptions } from "../../contract/preflight.ts";
import type { Layout } from "../../domain/batch/catalogue-facts.ts";
import { UploadOptions } from "../../contract/upload.ts";
import { parseImageUrl } from "../../domain/url/image-url.ts";
import { findMetadataFault } from "../../domain/batch/metadata.ts";
import { readSourceHeaders, type SourceHeaders } from "../../domain/secret/source-headers.ts";
import { findAuthorizationFault } from "../../domain/secret/webhook-authorization.ts";
import { findSecretFault } from "../../domain/secret/webhook-signature.ts";
import { completeRecipe, METADATA_KEPT, type Preset } from "../../domain/image/recipe.ts";
import type { PreflightOrder } from "../preflight.ts";
import type { BatchOptions } from "../upload.ts";
import { OptionFaults, wordFaults, type Fault } from "./word-faults.ts";

type Fields = Readonly<Record<string, unknown>>;
/** The options that came with a file. */
export type GivenOptions = {
  fields: Fields;
  /** Where options came under other names than ours: what the caller wrote is what faults are told of. */
  fieldNames?: Readonly<Record<string, string>>;
  /** Set where the file was made from JSON; a layout is looked for where it is null. */
  layout: Layout | null;
};

/** Reads the options of an upload, from text fields or JSON, or throws all their faults at once. */
export function readOptions(given: GivenOptions, presetDefault: Preset): BatchOptions {
  return toBatchOptions(checkFields(UploadOptions, given), presetDefault, given.layout);
}

/** The same for a preflight, which has one more. */
export function readPreflightOptions(given: GivenOptions): Omit<PreflightOrder, "csv"> {
  const { probe = 0, ...options } = checkFields(PreflightOptions, given);
  const { reading, recipe, sourceHeaders = [] } = toBatchOptions(options, "balanced", given.layout);
  // Most of what `auto` sees is a photograph.
  return { reading, format: recipe.format === "auto" ? "jpeg" : recipe.format, probe, sourceHeaders };
}

function checkFields<Schema extends typeof UploadOptions | typeof PreflightOptions>(
  schema: Schema,
  { fields, fieldNames: names = {}, layout }: GivenOptions,
): Static<Schema> {
  const { metadata, ...given } = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ""));
  const texts = Object.entries(given).map(([name, value]): [string, unknown] => [
    name,
    JSON_LISTS.has(name) ? readList(value) : typeof value === "string" ? readText(schema, name, value) : value,
  ]);
  const doubled = texts.flatMap(([name, value]) => (JSON_LISTS.has(name) ? findDoubledList(name, value) : []));
  const single = texts.filter(([name]) => !doubled.some(({ field }) => field === name));
  const options: unknown = { ...Object.fromEntries(single), ...readMetadata(metadata, given["keepMetadata"]) };
  if (!Check(schema, options)) {
    const faults = wordFaults(schema, options, ALSO_TAKEN).map(rewordSecretFault(given["webhookSecret"]));
    const written = (field: string) => (Object.hasOwn(names, field) ? (names[field] ?? field) : field);
    const nameOf = (field: string) => written(field === "keepMetadata" && !Object.hasOwn(given, field) ? "metadata" : field);
    throw new OptionFaults([...doubled, ...faults.map(({ field, message }) => ({ field: nameOf(field), message }))]);
  }
  const more = [...doubled, ...findFaults(options), ...(layout === null ? [] : findColumnFaults(options))];
  if (more.length > 0) throw new OptionFaults(more);
  return options;
}

const ALSO_TAKEN = { metadata: `one of ${METADATA_KEPT.join(", ")} for what stays of the images' own` };

/** Of a secret that is too short or too long its schema knows no more than that, and not how to make one. */
function rewordSecretFault(secret: unknown): (fault: Fault) => Fault {
  const message = typeof secret === "string" ? findSecretFault(secret) : null;
  return (fault) => (fault.field === "webhookSecret" && message !== null ? { ...fault, message } : fault);
}

const JSON_LISTS = new Set(["outputs", "sourceHeaders"]);

/** A list as one text, or, as generated clients fill in forms, a text for each of its elements. */
function readList(given: unknown): unknown {
  if (Array.isArray(given)) return given.map((one: unknown) => (typeof one === "string" ? parseJson(one) : one));
  const parsed = typeof given === "string" ? parseJson(given) : given;
  const isOne = typeof given === "string" && typeof parsed === "object" && parsed !== null && !Array.isArray(parsed);
  return isOne ? [parsed] : parsed;
}

/** The schema would say of each list that it is no element. */
function findDoubledList(field: string, value: unknown): Fault[] {
  if (!Array.isArray(value) || value.length < 2 || !value.some(Array.isArray)) return [];
  return [{ field, message: `Expected one list with all of them, got ${value.length} at once.` }];
}

/** Text becomes a number only where it is one as people write it: a converter made 1 of `1.5`, and 50 of `0x32`. */
function readText({ properties }: { properties: Record<string, object> }, name: string, text: string): unknown {
  const isNumber =
    Object.hasOwn(properties, name) && Object.entries(properties[name] ?? {}).some(([key, value]) => key === "type" && value === "integer");
  return isNumber && /^\s*-?\d{1,9}\s*$/.test(text) ? Number(text) : text;
}

function toBatchOptions(options: UploadOptions, presetDefault: Preset, layout: Layout | null): BatchOptions {
  const {
    webhookUrl,
    webhookSecret,
    webhookPayload,
    webhookAuthorization,
    metadata = {},
    imageColumns = [],
    nameColumn = null,
    idColumn = null,
    baseUrl = null,
    onInvalid = "reject",
    preset = presetDefault,
    refresh = "auto",
    sourceHeaders,
    keepMetadata,
    pauseAtFailurePercent,
    pauseHostAtFailurePercent,
    ...recipe
  } = options;
  return {
    recipe: completeRecipe(preset, { ...recipe, ...(keepMetadata === undefined ? {} : { metadata: keepMetadata }) }),
    refresh,
    metadata,
    reading: { onInvalid, wishes: { images: [imageColumns].flat(), name: nameColumn, id: idColumn }, baseUrl, layout },
    ...readHeaders(sourceHeaders),
    ...(webhookUrl === undefined ? {} : { webhookUrl }),
    ...(webhookSecret === undefined ? {} : { webhookSecret }),
    ...(webhookPayload === undefined ? {} : { webhookPayload }),
    ...(webhookAuthorization === undefined ? {} : { webhookAuthorization: webhookAuthorization.trim() }),
    ...(pauseAtFailurePercent === undefined ? {} : { pauseAtFailurePercent }),
    ...(pauseHostAtFailurePercent === undefined ? {} : { pauseHostAtFailurePercent }),
  };
}

function readHeaders(given: SourceHeaders[] | undefined): { sourceHeaders?: SourceHeaders[] } {
  if (given === undefined) return {};
  const read = readSourceHeaders(given);
  if (!read.ok) throw new OptionFaults(read.faults.map((message) => ({ field: "sourceHeaders", message })));
  return { sourceHeaders: read.value };
}

/** `metadata` is the caller's own as JSON, or one of the words for that of images, or both where it comes twice. */
function readMetadata(given: unknown, keepMetadata: unknown): Record<string, unknown> {
  const values = given === undefined ? [] : [given].flat();
  const isWord = (value: unknown) => (METADATA_KEPT as readonly unknown[]).includes(value);
  const words = values.filter(isWord);
  const owns = values.filter((value) => !isWord(value)).map((own: unknown) => (typeof own === "string" ? parseJson(own) : own));
  return {
    ...(words.length === 0 ? {} : { keepMetadata: oneOrAll([...words, keepMetadata ?? []].flat()) }),
    ...(owns.length === 0 ? {} : { metadata: oneOrAll(owns) }),
  };
}

/** Of several the schema says that there are too many. */
function oneOrAll(values: unknown[]): unknown {
  return values.length === 1 ? values[0] : values;
}

/** Products as JSON have no columns. */
function findColumnFaults(options: UploadOptions): Fault[] {
  return (["imageColumns", "nameColumn", "idColumn"] as const)
    .filter((field) => options[field] !== undefined)
    .map((field) => ({ field, message: "Expected it with a CSV; each product in JSON has its own `id`, `name` and `images`." }));
}

function findFaults({ webhookUrl, webhookSecret, webhookAuthorization, metadata, baseUrl, outputs = [] }: UploadOptions): Fault[] {
  const faults: Fault[] = [];
  if (new Set(outputs.map(({ name }) => name)).size < outputs.length)
    faults.push({ field: "outputs", message: "Expected a name of its own for each output." });
  const secretFault = webhookSecret === undefined ? null : findSecretFault(webhookSecret);
  if (secretFault !== null) faults.push({ field: "webhookSecret", message: secretFault });
  else if (webhookSecret !== undefined && webhookUrl === undefined) {
    faults.push({ field: "webhookSecret", message: "Expected a webhookUrl with it: WEBHOOK_URL is signed with WEBHOOK_SECRET." });
  }
  const authorizationFault = webhookAuthorization === undefined ? null : findAuthorizationFault(webhookAuthorization.trim());
  if (authorizationFault !== null) faults.push({ field: "webhookAuthorization", message: authorizationFault });
  else if (webhookAuthorization !== undefined && webhookUrl === undefined) {
    faults.push({ field: "webhookAuthorization", message: "Expected a webhookUrl with it: WEBHOOK_URL gets WEBHOOK_AUTHORIZATION." });
  }
  const base = baseUrl === undefined ? null : parseImageUrl(baseUrl);
  if (base?.ok === false) faults.push({ field: "baseUrl", message: base.message });
  else if (baseUrl !== undefined && /[?#]/.test(baseUrl))
    faults.push({
      field: "baseUrl",
      message: "Expected it without a query or fragment: paths are joined to its end, and neither would be sent.",
    });
  else if (baseUrl?.isWellFormed() === false)
    faults.push({ field: "baseUrl", message: "Expected text, got half of a surrogate pair in it." });
  const metadataFault = metadata === undefined ? null : findMetadataFault(metadata);
  if (metadataFault !== null) faults.push({ field: "metadata", message: metadataFault });
  return faults;
}

/** What cannot be parsed stays text, which the schema refuses. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
