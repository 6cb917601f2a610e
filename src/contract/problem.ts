import Type, { type Static } from "typebox";
import { CSV_PROBLEM_CODES, UPLOAD_WARNING_CODES } from "../domain/batch/csv-problem.ts";
import { PROBLEMS } from "../domain/problem.ts";
import { count, Nullable, words } from "./terms.ts";

export const CsvProblemView = Type.Object(
  {
    line: Type.Integer({
      minimum: 1,
      description: "The line of the file, line breaks within cells counted, or the number of the product where products came as JSON.",
    }),
    column: Nullable(Type.String()),
    code: words(CSV_PROBLEM_CODES, "A stable code.", { title: "CsvProblemCode" }),
    message: Type.String({ description: "What was expected, what came instead, and what to do about it." }),
  },
  { title: "CsvProblem", description: "What is wrong with a file, and where." },
);

export const UploadWarningView = Type.Object(
  {
    code: words(UPLOAD_WARNING_CODES, "A stable code.", { title: "UploadWarningCode" }),
    message: Type.String({ description: "What may surprise, and what to do about it." }),
    line: Type.Optional(Type.Integer({ minimum: 1, description: "The first line of the file that it is about." })),
    images: Type.Optional(count("How many images it is about.")),
  },
  { title: "UploadWarning", description: "Something about an upload that may surprise; it was accepted all the same." },
);

const OptionFault = Type.Object(
  { field: Type.String({ description: "The option's name." }), message: Type.String({ description: "What was expected." }) },
  { title: "OptionFault", description: "What is wrong with an option." },
);

export const Problem = Type.Object(
  {
    type: Type.String({ description: "about:blank: the code says it all." }),
    title: Type.String(),
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    detail: Type.String(),
    code: words(Object.keys(PROBLEMS), "A stable code.", { title: "ProblemCode" }),
    error: Type.Optional(Type.String({ description: "The same text as `detail`, on the seed's two routes only." })),
    errors: Type.Optional(
      Type.Array(Type.Union([CsvProblemView, OptionFault]), {
        description: "The first hundred problems of a CSV, or all faults of the options.",
      }),
    ),
    errorCount: Type.Optional(count("How many problems there are in all.")),
  },
  {
    $id: "Problem",
    description: "RFC 9457 problem details.",
    examples: [
      {
        type: "about:blank",
        title: "There is no such batch",
        status: 404,
        detail: "Expected the requestId of an upload.",
        code: "batch_not_found",
      },
    ],
  },
);
export type Problem = Static<typeof Problem>;
