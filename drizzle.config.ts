import { defineConfig } from "drizzle-kit";

/**
 * `npm run db:generate` writes the next file in migrations/ from the difference to src/db/schema/schema*.ts. It names the schema in references
 * and sequences: take `"public".` out again, since the tables lie where the database's search_path says.
 */
export default defineConfig({
  dialect: "postgresql",
  schema: [
    "./src/db/schema/schema.ts",
    "./src/db/schema/schema-events.ts",
    "./src/db/schema/schema-hosts.ts",
    "./src/db/schema/schema-removed.ts",
    "./src/db/schema/schema-uploads.ts",
  ],
  out: "./migrations",
});
