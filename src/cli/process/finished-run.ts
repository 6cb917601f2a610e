import type { BatchRow } from "../../db/batches.ts";
import type { FailureCount } from "../../db/report/count-failures.ts";
import type { CsvProblem, UploadWarning } from "../../domain/batch/csv-problem.ts";
import { describeProblems } from "../check/describe-preflight.ts";
import { counted, withoutControls } from "../plain-words.ts";
import type { ProcessOrder } from "./process-order.ts";
import { Unusable } from "../unusable.ts";

export type FinishedRun = {
  order: ProcessOrder;
  batch: BatchRow;
  failures: FailureCount[];
  warnings: UploadWarning[];
  /** How long this process worked; null where everything was done before it. */
  seconds: number | null;
  /** Images that had been settled before this process began. */
  settledBefore: number;
};

/** With the problems that the API would answer with. */
export class RefusedFile extends Unusable {
  readonly problems: CsvProblem[];
  readonly problemCount: number;
  constructor(name: string, problems: CsvProblem[], problemCount: number) {
    const lines = [`${name}: ${counted(problemCount, "problem")}; nothing was begun.`, ...describeProblems({ problems, problemCount })];
    super(problems[0]?.code === "wrong_file_type" ? problems[0].message : lines.map(withoutControls).join("\n"));
    this.problems = problems;
    this.problemCount = problemCount;
  }
}
