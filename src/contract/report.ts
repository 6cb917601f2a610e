import Type from "typebox";
import { REPORT_NAMES, REPORT_VERSION } from "../domain/report.ts";
import { ID, words } from "./terms.ts";

export const REPORT_EXAMPLE = {
  report: "savings",
  version: REPORT_VERSION,
  rows: [
    {
      batch_id: ID,
      tenant_id: "00000000-0000-7000-8000-000000000000",
      batch_created_at: "2026-11-23T20:00:00.000Z",
      images_done: 2,
      images_reused: 0,
      source_bytes: 280_000,
      output_bytes: 62_000,
      saved_bytes: 218_000,
      saved_percent: 77.9,
      made_source_bytes: 280_000,
      made_output_bytes: 62_000,
      reused_source_bytes: 0,
      reused_output_bytes: 0,
      first_output_bytes: 62_000,
      first_output_saved_percent: 77.9,
      outputs: 2,
      outputs_kept: 0,
    },
  ],
};

export const REPORT_CSV_EXAMPLE = REPORT_EXAMPLE.rows
  .map((row) => `${Object.keys(row).join(",")}\r\n${Object.values(row).join(",")}\r\n`)
  .join("");

export const ReportNameView = words(
  REPORT_NAMES,
  "The report's name, which is that of a view in schema `report`; docs/reporting.md says what its rows and columns are.",
  { title: "ReportName" },
);

export const Report = Type.Object(
  {
    report: ReportNameView,
    version: Type.Integer({
      minimum: 1,
      description: "Within a version no column is renamed, removed, or changed in type or meaning; columns may be added.",
    }),
    rows: Type.Array(
      Type.Record(Type.String(), Type.Unknown(), {
        title: "ReportRow",
        description: "A row: the value of each column under the column's name.",
      }),
      {
        description: "The rows, each with every column of the view. Times are in UTC; a column's name ends with the unit of its numbers.",
      },
    ),
  },
  { $id: "Report", description: "The rows of a view of schema `report`.", examples: [REPORT_EXAMPLE] },
);
