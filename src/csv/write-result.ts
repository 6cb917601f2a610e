import type { CatalogueFacts } from "./read-catalogue.ts";
import { reduceHeader } from "./dialects/seed.ts";

export const RESULT_COLUMNS = ["Output Image Urls", "Status", "Errors"] as const;

export type ResultCells = {
  /** One for each input URL, null where there is no output: positions hold. */
  outputs: readonly (string | null)[];
  status: string;
  errors: readonly string[];
};
export type ResultWriter = { header(): string; row(cells: readonly string[], result: ResultCells): string };

/** Writes the file as it came, delimiter, line ends and byte order mark included, with three columns more. */
export function createResultWriter(facts: CatalogueFacts): ResultWriter {
  const { delimiter, newline, header } = facts;
  const needsQuotes = new RegExp(`["\r\n${delimiter === "|" ? String.raw`\|` : delimiter}]|^\\s|\\s$`);
  const format = (cell: string) => (needsQuotes.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  const line = (cells: readonly string[]) => cells.map(format).join(delimiter) + newline;

  return {
    header: () => (facts.hasBom ? "\uFEFF" : "") + line([...header, ...RESULT_COLUMNS.map((name) => distinguish(name, header))]),
    row(cells, result) {
      const ours = [result.outputs.map((url) => url ?? "").join(","), result.status, result.errors.join("\n")];
      return line([...alignCells(cells, facts), ...ours.map(defuse)]);
    },
  };
}

/** As many cells as the header has: a list of URLs that ran into cells of its own becomes one quoted cell again. */
function alignCells(cells: readonly string[], { header, delimiter }: CatalogueFacts): string[] {
  if (cells.length <= header.length) return [...cells, ...Array.from({ length: header.length - cells.length }, () => "")];
  const last = header.length - 1;
  const over = cells.slice(last);
  const rest = over.slice(1).every((cell) => cell.trim() === "") ? [over[0] ?? ""] : [over.join(delimiter)];
  return [...cells.slice(0, last), ...rest];
}

/** A file that went through before has our columns already: the new ones get a number behind. */
function distinguish(name: string, header: readonly string[]): string {
  const taken = new Set(header.map(reduceHeader));
  let candidate = name;
  for (let number = 2; taken.has(reduceHeader(candidate)); number += 1) candidate = `${name} ${number}`;
  return candidate;
}

/** What we add is never read as a formula by a spreadsheet (OWASP: CSV injection); the user's own cells are not touched. */
function defuse(cell: string): string {
  return /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
}
