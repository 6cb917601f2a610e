import type { ReportCell } from "../../domain/report.ts";

/** Rows as psql prints them: headers centred, numbers to the right, null as nothing, and below how many rows there are. */
export function formatTable(columns: readonly string[], rows: readonly (readonly ReportCell[])[]): string {
  const texts = rows.map((row) => row.map(textOf));
  const isNumeric = columns.map(
    (_, index) =>
      rows.some((row) => typeof row[index] === "number") && rows.every((row) => row[index] === null || typeof row[index] === "number"),
  );
  const widths = columns.map((column, index) => texts.reduce((width, row) => Math.max(width, widthOf(row[index] ?? "")), widthOf(column)));
  const line = (cells: readonly string[], pad: (cell: string, index: number) => string) => ` ${cells.map(pad).join(" | ")}`.trimEnd();
  const head = line(columns, (column, index) => centre(column, widths[index] ?? 0));
  const rule = widths.map((width) => "-".repeat(width + 2)).join("+");
  const body = texts.map((row) => line(row, (cell, index) => pad(cell, widths[index] ?? 0, isNumeric[index] === true)));
  return `${[head, rule, ...body].join("\n")}\n(${rows.length} ${rows.length === 1 ? "row" : "rows"})\n`;
}

/** A cell on one line, whatever a server or a catalogue wrote, and without control characters, which a terminal obeys. */
function textOf(cell: ReportCell): string {
  if (cell === null) return "";
  const text = typeof cell === "object" ? JSON.stringify(cell) : String(cell);
  return text.replaceAll(/[\u0000-\u001F\u007F-\u009F]/g, " ");
}

function widthOf(text: string): number {
  return [...text].length;
}

function pad(text: string, width: number, isRight: boolean): string {
  const space = " ".repeat(Math.max(0, width - widthOf(text)));
  return isRight ? space + text : text + space;
}

function centre(text: string, width: number): string {
  const space = Math.max(0, width - widthOf(text));
  return " ".repeat(Math.floor(space / 2)) + text + " ".repeat(Math.ceil(space / 2));
}
