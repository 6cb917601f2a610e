import type { CsvProblem } from "../../domain/batch/csv-problem.ts";
import { describeProblems } from "../check/describe-preflight.ts";
import { counted, withoutControls } from "../plain-words.ts";
import { Unusable } from "../unusable.ts";

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
