import Type from "typebox";
import { REFRESHES } from "../domain/recipe.ts";
import { WEBHOOK_PAYLOADS } from "../domain/seed-payload.ts";
import { HEADER_HOSTS_MAX, SOURCE_HEADERS_CHARS_MAX } from "../domain/source-headers.ts";
import { AUTHORIZATION_CHARS_MAX } from "../domain/webhook-authorization.ts";
import { Metadata, words } from "./terms.ts";

const RUN_OPTIONS = {
  refresh: Type.Optional(
    words(
      REFRESHES,
      "auto, unless told otherwise: an image that was made before under the same recipe, and whose origin says that it has not changed or sends the same bytes, is linked and not made again; always: everything is made anew.",
    ),
  ),
};

const Header = Type.String({ minLength: 1, maxLength: 500 });
const READING_OPTIONS = {
  imageColumns: Type.Optional(
    Type.Union([Type.Array(Header, { minItems: 1, maxItems: 100 }), Header], {
      description:
        "Headers of the columns that hold image URLs, where they are not found by themselves: a list, or one text with commas between.",
      examples: ["Photo,Photo 2"],
    }),
  ),
  nameColumn: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 500,
      description: "Header of the column that holds the products' names.",
      examples: ["Bezeichnung"],
    }),
  ),
  idColumn: Type.Optional(
    Type.String({ minLength: 1, maxLength: 500, description: "Header of the column that outputs are named after.", examples: ["SKU"] }),
  ),
  baseUrl: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 2048,
      description: "What relative paths in the file are relative to.",
      examples: ["https://shop.example/media/catalog/product"],
    }),
  ),
  onInvalid: Type.Optional(
    words(
      ["reject", "skip"],
      "A bad URL refuses the whole file (reject, unless told otherwise), or is a failed image at its place (skip).",
    ),
  ),
};

const WEBHOOK_OPTIONS = {
  webhookUrl: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 2048,
      description: "Where events are sent: when the batch ends, or it or one of its hosts is paused or resumed.",
      examples: ["https://shop.example/hooks/pressrun"],
    }),
  ),
  webhookSecret: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 200,
      description: "Signs the events: base64 of 24 to 64 bytes, with or without `whsec_`. Made for you where it is missing.",
    }),
  ),
  webhookPayload: Type.Optional(
    words(
      WEBHOOK_PAYLOADS,
      "How events are worded: `event` (see BatchEvent), unless told otherwise; `seed`: as the seed's webhook was (see SeedEvent), at the end of a batch only.",
    ),
  ),
  webhookAuthorization: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: AUTHORIZATION_CHARS_MAX,
      description:
        "The Authorization header for a receiver that cannot verify signatures: sent to webhookUrl alone, over https or to addresses that ALLOW_CIDRS names. Kept encrypted, never shown again. Not in the query.",
      examples: ["Bearer …"],
    }),
  ),
};

const SOURCE_OPTIONS = {
  sourceHeaders: Type.Optional(
    Type.Array(
      Type.Object(
        {
          host: Type.String({
            minLength: 1,
            maxLength: 260,
            description: "Exactly the host that URLs name, with its port where it is not the usual one.",
            examples: ["images.shop.example"],
          }),
          headers: Type.Record(Type.String(), Type.String({ maxLength: SOURCE_HEADERS_CHARS_MAX }), {
            description: "Names and values.",
            examples: [{ authorization: "Bearer …" }],
          }),
        },
        { title: "SourceHeaders", additionalProperties: false, description: "Request headers for one origin." },
      ),
      {
        minItems: 1,
        maxItems: HEADER_HOSTS_MAX,
        description:
          "Request headers for protected origins. Each host gets its own and no other, also where a redirect leads to it; over https, or to addresses that ALLOW_CIDRS names. Kept encrypted, never shown again. As JSON where it comes as a form field; not in the query.",
        examples: [[{ host: "images.shop.example", headers: { authorization: "Bearer …" } }]],
      },
    ),
  ),
};

/** Also what a resume may change. */
export const PauseAtFailurePercent = Type.Integer({
  minimum: 1,
  maximum: 100,
  description:
    "Pauses the batch once more than so many per cent of the images tried have failed, after at least 20 of them; never unless given. 100 never pauses.",
  examples: [30],
});
export const PauseHostAtFailurePercent = Type.Integer({
  minimum: 1,
  maximum: 100,
  description:
    "Pauses one host's share of the batch once more than so many per cent of the images tried of it have failed, after at least 20 of them; the images of other hosts go on. Never unless given; 100 never pauses.",
  examples: [50],
});
const BUDGET_OPTIONS = {
  pauseAtFailurePercent: Type.Optional(PauseAtFailurePercent),
  pauseHostAtFailurePercent: Type.Optional(PauseHostAtFailurePercent),
};

/** It is only handed back: enough for a few ids of the client's own. */
export const METADATA_CHARS_MAX = 8 * 1024;

/** The options of a batch beside its recipe, on every route that takes one. */
export const BATCH_OPTIONS = {
  ...RUN_OPTIONS,
  ...READING_OPTIONS,
  ...SOURCE_OPTIONS,
  ...WEBHOOK_OPTIONS,
  ...BUDGET_OPTIONS,
  metadata: Type.Optional(Metadata),
};
