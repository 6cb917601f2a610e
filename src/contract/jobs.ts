import Type, { type Static } from "typebox";

/** Payloads hold ids and hardly anything else: the rest is read from the rows, as it is at that time. */
const Id = Type.String({ format: "uuid" });

/** Some images of one batch, of one priority: see queue/image-jobs.ts. */
export const ImageJob = Type.Object({
  batchId: Id,
  /** The images that still need the job: to end the claim of one takes it out. */
  ordinals: Type.Array(Type.Integer({ minimum: 0 }), { minItems: 1 }),
  /** As in the job's own column, which a fetch does not give: to fetch all 35 columns for it cost an image that comes again 5 % of its CPU. */
  priority: Type.Integer(),
  /** When the images' host first asked for patience, in ms since 1970: see PATIENCE_MS in domain/host-pause.ts. */
  askedSince: Type.Optional(Type.Integer({ minimum: 0 })),
});
export const PlanJob = Type.Object({ batchId: Id });
export const FinishJob = Type.Object({ batchId: Id, run: Type.Integer({ minimum: 1 }) });
export const DeliverJob = Type.Object({ eventId: Id, endpointId: Id });

export type ImageJob = Static<typeof ImageJob>;
export type PlanJob = Static<typeof PlanJob>;
export type FinishJob = Static<typeof FinishJob>;
export type DeliverJob = Static<typeof DeliverJob>;
