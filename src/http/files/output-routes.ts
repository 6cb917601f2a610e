import type { FastifyInstance } from "fastify";
import Type, { type Static } from "typebox";
import { Token } from "../../contract/terms.ts";
import { isFileName } from "../../domain/file-name.ts";
import { isToken } from "../../domain/ids.ts";
import { FORMAT_FILES } from "../../domain/image/recipe.ts";
import type { StoredFile } from "../../storage/storage.ts";
import { problemResponses } from "../problem-responses.ts";
import { lostOutput, ProblemError } from "../problems.ts";
import { fileHeaders, partialResponses, sendFile, type SendDeps } from "./send-file.ts";

export type OutputDeps = SendDeps & {
  /** "lost" where there is a row, but no file of its bytes: it would be kept for ever, broken as it is, by whoever asks. */
  findOutput(token: string, fileName: string): Promise<(StoredFile & { mediaType: string; etag: string }) | "lost" | null>;
};

const Params = Type.Object({
  token: Token,
  fileName: Type.String({
    description: "`{id}-{n}.{extension}`, or `{id}-{n}-{name}.{extension}` where the recipe names its outputs.",
    examples: ["1-1.jpg"],
  }),
});
const IMAGES = Object.fromEntries(
  Object.values(FORMAT_FILES).map(({ mediaType }) => [
    mediaType,
    { schema: { type: "string", format: "binary", description: "The image's bytes." } },
  ]),
);

export function addOutputRoutes(app: FastifyInstance, deps: OutputDeps): void {
  app.get(
    "/outputs/:token/:fileName",
    {
      schema: {
        operationId: "getOutput",
        summary: "Download a compressed image",
        tags: ["outputs"],
        params: Params,
        description:
          "It never changes and may be cached for ever; conditional requests and a single range are answered as RFC 9110 says. No key is needed: the token is secret.",
        security: [],
        response: {
          200: { description: "The image.", headers: fileHeaders, content: IMAGES },
          ...partialResponses(IMAGES),
          ...problemResponses(["output_not_found", "output_lost", "range_not_satisfiable", "unavailable"]),
        },
      },
    },
    async (request, reply) => {
      const { token, fileName } = request.params as Static<typeof Params>;
      const file = isToken(token) && isFileName(fileName) ? await deps.findOutput(token, fileName) : null;
      if (!file) throw new ProblemError("output_not_found", "Expected an output URL as status and result CSV give it.");
      if (file === "lost") throw lostOutput(fileName);
      return sendFile(deps, { request, reply }, { ...file, cacheControl: "public, max-age=31536000, immutable", disposition: "inline" });
    },
  );
}
