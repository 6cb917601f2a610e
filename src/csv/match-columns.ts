import type { CsvProblem } from "../domain/csv-problem.ts";
import { reduceHeader, SEED_DIALECT, type SeedColumn } from "./dialects/seed.ts";

export type Columns = Record<SeedColumn, number>;

/** Finds the seed's columns in a header row, or says of each what is wrong. */
export function matchColumns(header: readonly string[], line: number): { ok: true; columns: Columns } | { ok: false; problems: CsvProblem[] } {
  const problems: CsvProblem[] = [];
  const find = (column: SeedColumn): number => {
    const { header: expected, names } = SEED_DIALECT.columns[column];
    // A more exact name wins over a vaguer one (`Serial Number` over `Number`), so that extra columns do no harm.
    for (const name of names) {
      const found = header.flatMap((cell, index) => (reduceHeader(cell) === name ? [index] : []));
      if (found.length > 1) {
        problems.push({ line, column: expected, code: "duplicate_column", message: `Expected one column "${expected}", got ${found.length} (columns ${found.map((index) => index + 1).join(" and ")}); rename or remove one.` });
      }
      if (found[0] !== undefined) return found[0];
    }
    const got = header.map((cell) => `"${cell.slice(0, 40)}"`).slice(0, 20).join(", ");
    problems.push({ line, column: expected, code: "missing_column", message: `Expected a column "${expected}", got ${got}; add the column or rename the one that is meant.` });
    return -1;
  };
  const columns: Columns = { serial: find("serial"), name: find("name"), urls: find("urls") };
  return problems.length > 0 ? { ok: false, problems } : { ok: true, columns };
}
