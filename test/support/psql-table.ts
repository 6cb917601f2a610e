import pg from "pg";

/** The OIDs of types that psql sets to the right: int2, int4, int8, float4, float8, numeric. */
const NUMERIC = new Set([21, 23, 20, 700, 701, 1700]);

/** What psql prints for a query, without spaces at the ends of lines. Not by psql itself, which CI may not have. */
export async function psqlTable(client: pg.Client, sql: string): Promise<string> {
  const { rows, fields } = await client.query<(string | null)[]>({
    text: sql,
    rowMode: "array",
    types: { getTypeParser: () => (text: string) => text },
  });
  const widths = fields.map(({ name }, index) => Math.max(name.length, ...rows.map((row) => row[index]?.length ?? 0)));
  const line = (cells: string[]) => ` ${cells.join(" | ")}`.trimEnd();
  const head = line(fields.map(({ name }, index) => centre(name, widths[index] ?? 0)));
  const body = rows.map((row) =>
    line(
      row.map((cell, index) => {
        const width = widths[index] ?? 0;
        return NUMERIC.has(fields[index]?.dataTypeID ?? 0) ? (cell ?? "").padStart(width) : (cell ?? "").padEnd(width);
      }),
    ),
  );
  return [
    head,
    widths.map((width) => "-".repeat(width + 2)).join("+"),
    ...body,
    `(${rows.length} ${rows.length === 1 ? "row" : "rows"})`,
    "",
  ].join("\n");
}

function centre(text: string, width: number): string {
  const space = width - text.length;
  return " ".repeat(Math.floor(space / 2)) + text + " ".repeat(Math.ceil(space / 2));
}
