import Type, { type Static } from "typebox";

/** Payloads hold ids and hardly anything else: the rows say the rest, and say it as it is now. */
const Id = Type.String({ format: "uuid" });

/** Some images of one batch, of one priority: see queue/image-jobs.ts. */
export const ImageJob = Type.Object({
  batchId: Id,
  /** Those that still need it: who ends one, takes it out. */
  ordinals: Type.Array(Type.Integer({ minimum: 0 }), { minItems: 1 }),
  /** The job's own, which a fetch does not tell: all 35 columns for the sake of one cost an image that comes again 5 % of its CPU. */
  priority: Type.Integer(),
  /** Since when, in ms since 1970, the images have been tried and their host has asked for patience: see domain/host-pause.ts. */
  askedSince: Type.Optional(Type.Integer({ minimum: 0 })),
});
export const PlanJob = Type.Object({ batchId: Id });
export const FinishJob = Type.Object({ batchId: Id, run: Type.Integer({ minimum: 1 }) });
export const DeliverJob = Type.Object({ eventId: Id, endpointId: Id });

export type ImageJob = Static<typeof ImageJob>;
export type PlanJob = Static<typeof PlanJob>;
export type FinishJob = Static<typeof FinishJob>;
export type DeliverJob = Static<typeof DeliverJob>;
