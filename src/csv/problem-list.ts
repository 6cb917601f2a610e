import type { CsvProblem } from "../domain/batch/csv-problem.ts";
import { PROBLEMS_LISTED_MAX } from "./limits.ts";

/** The problems of a file: the first hundred are listed, the rest only counted. */
export class ProblemList {
  readonly listed: CsvProblem[] = [];
  count = 0;

  add(found: readonly CsvProblem[]): void {
    this.count += found.length;
    const listed = found.slice(0, PROBLEMS_LISTED_MAX - this.listed.length);
    this.listed.push(
      ...listed.map((problem) => ({ ...problem, column: problem.column === null ? null : excerpt(problem.column, COLUMN_CHARS_SHOWN) })),
    );
  }
}

/** A header can have a megabyte, and each of a hundred problems names it. */
const COLUMN_CHARS_SHOWN = 200;

export function excerpt(text: string, charsMax: number): string {
  return text.length > charsMax ? `${text.slice(0, charsMax).toWellFormed()}…` : text;
}
