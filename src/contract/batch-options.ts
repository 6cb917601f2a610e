import Type from "typebox";
import { REFRESHES } from "../domain/image/recipe.ts";
import { WEBHOOK_PAYLOADS } from "../domain/batch/seed-payload.ts";
import { HEADER_HOSTS_MAX, SOURCE_HEADERS_CHARS_MAX } from "../domain/secret/source-headers.ts";
import { AUTHORIZATION_CHARS_MAX } from "../domain/secret/webhook-authorization.ts";
import { SECRET_CHARS_MIN } from "../domain/secret/webhook-signature.ts";
import { Metadata, words } from "./terms.ts";

const RUN_OPTIONS = {
  refresh: Type.Optional(
    words(
      REFRESHES,
      "auto (the default): an image that an earlier batch made under the same recipe is not made again where its origin says that it has not changed, or sends the same bytes; this batch gets the same outputs. always: every image is made anew.",
      { title: "Refresh" },
    ),
  ),
};

const Header = Type.String({ minLength: 1, maxLength: 500 });
const READING_OPTIONS = {
  imageColumns: Type.Optional(
    Type.Union([Type.Array(Header, { minItems: 1, maxItems: 100 }), Header], {
      description:
        "Headers of the columns that hold image URLs, for a file in which the service does not find them: a list, or one text with commas between the headers.",
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
      description: "What relative paths in the file are relative to: an address without a query.",
      examples: ["https://shop.example/media/catalog/product"],
    }),
  ),
  onInvalid: Type.Optional(
    words(
      ["reject", "skip"],
      "What a bad URL does. reject (the default): the whole file is refused. skip: the batch begins, and the image at that place has failed.",
      { title: "OnInvalid" },
    ),
  ),
};

const WEBHOOK_OPTIONS = {
  webhookUrl: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 2048,
      description:
        "Where events are sent: one when the batch ends, and one each time that the batch or one of its hosts is paused or resumed.",
      examples: ["https://shop.example/hooks/pressrun"],
    }),
  ),
  webhookSecret: Type.Optional(
    Type.String({
      minLength: SECRET_CHARS_MIN,
      maxLength: 200,
      description:
        "The secret that signs the events: 24 to 64 bytes as base64, with or without `whsec_` before it. Where you leave it out, the service makes one, and the answer to the upload shows it.",
    }),
  ),
  webhookPayload: Type.Optional(
    words(
      WEBHOOK_PAYLOADS,
      "How events are worded. event: see BatchEvent. seed: as the seed's webhook was (see SeedEvent), sent only when a batch ends. The default is event, unless the operator has set WEBHOOK_PAYLOAD.",
      { title: "WebhookPayload" },
    ),
  ),
  webhookAuthorization: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: AUTHORIZATION_CHARS_MAX,
      description:
        "The Authorization header that events are sent with, for a receiver that cannot verify signatures. Only webhookUrl gets it, over https or at an address that ALLOW_CIDRS names. It is stored encrypted and never shown again. It is refused in the query.",
      examples: ["Bearer eyJhbGciOi"],
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
            examples: [{ authorization: "Bearer eyJhbGciOi" }],
          }),
        },
        { title: "SourceHeaders", additionalProperties: false, description: "Request headers for one origin." },
      ),
      {
        minItems: 1,
        maxItems: HEADER_HOSTS_MAX,
        description:
          "Request headers for protected origins. Each host gets its own headers and no others, also where a redirect leads to it, and only over https or at an address that ALLOW_CIDRS names. They are stored encrypted and never shown again. A form field holds the list as JSON; in the query it is refused.",
        examples: [[{ host: "images.shop.example", headers: { authorization: "Bearer eyJhbGciOi" } }]],
      },
    ),
  ),
};

/** Also what a resume may change. */
export const PauseAtFailurePercent = Type.Integer({
  minimum: 1,
  maximum: 100,
  description:
    "Pauses the batch when at least 20 of its images have been tried and more than this percentage of them has failed. Without it, or with 100, failures never pause the batch.",
  examples: [30],
});
export const PauseHostAtFailurePercent = Type.Integer({
  minimum: 1,
  maximum: 100,
  description:
    "Pauses the images of one host when at least 20 of them have been tried and more than this percentage of those has failed; the images of other hosts go on. Without it, or with 100, failures never pause a host.",
  examples: [50],
});
const BUDGET_OPTIONS = {
  pauseAtFailurePercent: Type.Optional(PauseAtFailurePercent),
  pauseHostAtFailurePercent: Type.Optional(PauseHostAtFailurePercent),
};

/** The options of a batch beside its recipe, on every route that takes one. */
export const BATCH_OPTIONS = {
  ...RUN_OPTIONS,
  ...READING_OPTIONS,
  ...SOURCE_OPTIONS,
  ...WEBHOOK_OPTIONS,
  ...BUDGET_OPTIONS,
  metadata: Type.Optional(Metadata),
};
