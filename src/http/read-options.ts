import Value from "typebox/value";
import { UploadOptions } from "../contract/http.ts";
import { findSecretFault } from "../domain/webhook-signature.ts";
import { SEED_RECIPE, type Recipe } from "../domain/recipe.ts";
import { ProblemError } from "./problems.ts";

export type BatchOptions = { recipe: Recipe; onInvalid: "reject" | "skip"; webhookUrl?: string; webhookSecret?: string };

/** Reads the options of an upload from text fields, or throws all their faults at once. */
export function readOptions(fields: Readonly<Record<string, unknown>>): BatchOptions {
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ""));
  const options = Value.Convert(UploadOptions, given);
  // An unknown option is reported twice, by the object and at its own place.
  const faults = Value.Errors(UploadOptions, options).filter(({ keyword }) => keyword !== "boolean").map(describeFault);
  if (!Value.Check(UploadOptions, options)) throw invalid(faults);
  const secretFault = options.webhookSecret === undefined ? null : findSecretFault(options.webhookSecret);
  if (secretFault !== null) throw invalid([{ field: "webhookSecret", message: secretFault }]);
  if (options.webhookSecret !== undefined && options.webhookUrl === undefined) {
    throw invalid([{ field: "webhookSecret", message: "Expected a webhookUrl with it: WEBHOOK_URL is signed with WEBHOOK_SECRET." }]);
  }
  const { webhookUrl, webhookSecret, onInvalid = "reject", ...recipe } = options;
  return {
    recipe: { ...SEED_RECIPE, ...recipe },
    onInvalid,
    ...(webhookUrl === undefined ? {} : { webhookUrl }),
    ...(webhookSecret === undefined ? {} : { webhookSecret }),
  };
}

type Fault = { field: string; message: string };

function invalid(faults: Fault[]): ProblemError {
  const detail = faults.map(({ field, message }) => `${field}: ${message}`).join("; ");
  return new ProblemError("invalid_options", detail, { errors: faults, errorCount: faults.length });
}

function describeFault(fault: ReturnType<typeof Value.Errors>[number]): Fault {
  if (fault.keyword === "additionalProperties") {
    const { additionalProperties } = fault.params as { additionalProperties: string[] };
    return { field: additionalProperties.join(", "), message: `there is no such option; there are ${Object.keys(UploadOptions.properties).join(", ")}` };
  }
  const allowed = fault.keyword === "enum" ? ` (${(fault.params as { allowedValues: unknown[] }).allowedValues.join(", ")})` : "";
  return { field: fault.instancePath.replace(/^\//, "") || "options", message: `${fault.message}${allowed}` };
}
