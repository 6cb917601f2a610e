import Type, { type Static } from "typebox";

/** Payloads hold ids and hardly anything else: the rows say the rest, and say it as it is now. */
const Id = Type.String({ format: "uuid" });

export const ImageJob = Type.Object({
  batchId: Id,
  ordinal: Type.Integer({ minimum: 0 }),
  /** Since when, in ms since 1970, the image has been tried and its host has asked for patience: see domain/host-pause.ts. */
  askedSince: Type.Optional(Type.Integer({ minimum: 0 })),
});
export const PlanJob = Type.Object({ batchId: Id });
export const FinishJob = Type.Object({ batchId: Id, run: Type.Integer({ minimum: 1 }) });
export const DeliverJob = Type.Object({ eventId: Id, endpointId: Id });

export type ImageJob = Static<typeof ImageJob>;
export type PlanJob = Static<typeof PlanJob>;
export type FinishJob = Static<typeof FinishJob>;
export type DeliverJob = Static<typeof DeliverJob>;
