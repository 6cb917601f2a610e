import { defineConfig } from "drizzle-kit";

/** `npm run db:generate` writes the next file in migrations/ from the difference to src/db/schema*.ts. */
export default defineConfig({
  dialect: "postgresql",
  schema: ["./src/db/schema.ts", "./src/db/schema-events.ts", "./src/db/schema-hosts.ts", "./src/db/schema-uploads.ts"],
  out: "./migrations",
});
