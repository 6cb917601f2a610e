import { randomBytes } from "node:crypto";
import { onCleanup } from "./cleanup.ts";
import { connectDatabase, type Database } from "../../src/db/connection/connect.ts";

/** A migrated database of the caller's own, dropped after its tests. */
export async function createTestDatabase(): Promise<string> {
  const serverUrl = process.env["TEST_POSTGRES_URL"];
  if (!serverUrl) throw new Error("run tests with `npm test`, or `npm run test:file FILE`: they need its PostgreSQL");
  const name = `test_${randomBytes(6).toString("hex")}`;
  const server = connectDatabase({ url: serverUrl, poolMax: 1, onError: () => {} });
  await server.executor.executeSql(`create database ${name} template template_pressrun strategy file_copy`);
  onCleanup(async () => {
    await server.executor.executeSql(`drop database if exists ${name} with (force)`);
    await server.close();
  });
  return Object.assign(new URL(serverUrl), { pathname: `/${name}` }).href;
}

export async function openTestDatabase(): Promise<Database> {
  const db = connectDatabase({ url: await createTestDatabase(), poolMax: 8, onError: () => {} });
  onCleanup(() => db.close());
  return db;
}

/** Every row of every table, queue included, as text. */
export async function textOfEveryRow(db: Database): Promise<string[]> {
  const { rows: tables } = await db.executor.executeSql(
    "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname in ('public', 'pgboss')",
  );
  const texts: string[] = [];
  for (const { name } of tables)
    texts.push(...(await db.executor.executeSql(`select t::text as text from ${String(name)} t`)).rows.map(({ text }) => String(text)));
  return texts;
}
