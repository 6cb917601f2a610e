import pg from "pg";
import type { Tx } from "../connection/connect.ts";

/** A fault that the person at the command line can mend, or hand to somebody who can. */
export class ReportRoleError extends Error {}

/** In lower case, so that nobody has to quote it; names that begin with `pg_` are PostgreSQL's own. */
const NAME = /^(?!pg_)[a-z_][a-z0-9_]{0,62}$/;
const TAKEN_WORDS = new Set(["public", "none"]);
/** Enough for a dashboard's pool and a person, and few enough to leave the service its own connections. */
const CONNECTIONS_MAX = 10;
/** Defaults against mistakes, which a session can change. What it may not do at all, its rights forbid. */
const SETTINGS = {
  default_transaction_read_only: "on",
  statement_timeout: "60s",
  idle_in_transaction_session_timeout: "60s",
  search_path: "report",
};
/** Of each process of a session, and a query has up to three: a cross join would fill the disk, which is that of the log and the images as well. */
const TEMP_FILES_MAX = "1GB";

export function checkRoleName(name: string): void {
  if (NAME.test(name) && !TAKEN_WORDS.has(name)) return;
  throw new ReportRoleError(
    `Expected a name of lower-case letters, digits and _ (63 at most, not beginning with a digit or pg_), got "${name}".`,
  );
}

/** Makes a role that can read the views of schema `report` and nothing else. Returns the statements that it had no right to run. */
export async function createReportRole(tx: Tx, role: { name: string; verifier: string; isDatabaseOurs: boolean }): Promise<string[]> {
  const { name } = role;
  const database = await currentDatabase(tx);
  await demandViews(tx);
  const found = await findRole(tx, name);
  if (found) throw new ReportRoleError(`There is a role "${name}" already${whatItIs(name, found, database)}`);
  const statements = creation(name, role.verifier, database);
  await asAdministrator(statements, async () => {
    for (const statement of statements) await tx.executor.executeSql(statement);
  });
  return closeToPublic(tx, role, database);
}

/** Gives the role another password and ends its sessions. Its rights as well: a database that was restored may have come without them. */
export async function rotateReportRole(tx: Tx, role: { name: string; verifier: string; isDatabaseOurs: boolean }): Promise<void> {
  const { name } = role;
  await demandOurs(tx, name);
  await demandViews(tx);
  const database = await currentDatabase(tx);
  const statements = [`alter role ${quote(name)} password ${pg.escapeLiteral(role.verifier)}`, ...grants(name, database)];
  await asAdministrator(statements, async () => {
    for (const statement of statements) await tx.executor.executeSql(statement);
    await endSessions(tx, name);
  });
  await closeToPublic(tx, role, database);
}

/** Ends the role's sessions and removes it. */
export async function dropReportRole(tx: Tx, name: string): Promise<void> {
  await demandOurs(tx, name);
  const statements = removal(name, await currentDatabase(tx));
  await asAdministrator(statements, async () => {
    await endSessions(tx, name);
    for (const statement of statements) await tx.executor.executeSql(statement);
  });
}

const quote = pg.escapeIdentifier;
const REMARK = "Pressrun report user of database ";
const remark = (database: string) => `${REMARK}${database}`;

/** Only one of this database can be given a new password here. */
function whatItIs(name: string, role: { remark: string | null }, database: string): string {
  if (role.remark === remark(database)) return `. Take another name, or give it a new password: pressrun report-user rotate ${name}`;
  if (role.remark?.startsWith(REMARK)) return `, for the reports of the database ${role.remark.slice(REMARK.length)}. Take another name.`;
  return ". Take another name.";
}

function creation(name: string, verifier: string, database: string): string[] {
  const role = quote(name);
  return [
    `create role ${role} login connection limit ${CONNECTIONS_MAX} password ${pg.escapeLiteral(verifier)}`,
    `comment on role ${role} is ${pg.escapeLiteral(remark(database))}`,
    ...Object.entries(SETTINGS).map(([setting, value]) => `alter role ${role} set ${setting} = ${pg.escapeLiteral(value)}`),
    ...grants(name, database),
  ];
}

function grants(name: string, database: string): string[] {
  const role = quote(name);
  return [
    `grant connect on database ${quote(database)} to ${role}`,
    `grant usage on schema report to ${role}`,
    `grant select on all tables in schema report to ${role}`,
    // For views that a later version adds.
    `alter default privileges in schema report grant select on tables to ${role}`,
  ];
}

function removal(name: string, database: string): string[] {
  const role = quote(name);
  return [
    `alter default privileges in schema report revoke select on tables from ${role}`,
    `revoke all on all tables in schema report from ${role}`,
    `revoke all on schema report from ${role}`,
    `revoke all on database ${quote(database)} from ${role}`,
    `drop role ${role}`,
  ];
}

/**
 * Takes away what PostgreSQL gives to everybody, and so to the role: temporary tables, and, on a server that is ours alone (the
 * embedded one), other databases, advisory locks and large objects, which only a superuser can take away, as only a superuser can
 * bound temporary files. Others who share a server may need them: there the statements are returned, for somebody to decide.
 */
async function closeToPublic(tx: Tx, role: { name: string; isDatabaseOurs: boolean }, database: string): Promise<string[]> {
  const { rows } = await tx.executor.executeSql(
    `select pg_has_role(d.datdba, 'member') as "ownsDatabase", r.rolsuper as "isSuperuser" from pg_database d, pg_roles r where d.datname = current_database() and r.rolname = current_user`,
  );
  const revokeTemporary = `revoke temporary on database ${quote(database)} from public`;
  const boundFiles = `alter role ${quote(role.name)} set temp_file_limit = '${TEMP_FILES_MAX}'`;
  if (rows[0]?.["isSuperuser"] === true && role.isDatabaseOurs) {
    for (const statement of [revokeTemporary, boundFiles, ...SUPERUSER_CLOSES]) await tx.executor.executeSql(statement);
    return [];
  }
  const isOwner = rows[0]?.["ownsDatabase"] === true;
  if (isOwner) await tx.executor.executeSql(revokeTemporary);
  return [...(isOwner ? [] : [revokeTemporary]), boundFiles, ...SUPERUSER_CLOSES.slice(1)];
}

/** The functions of advisory locks and large objects, and two that write to others, by name, whatever their arguments. */
const OPEN_FUNCTIONS =
  "^(pg_(try_)?advisory_.*|lo_(creat|create|from_bytea|open|put|truncate|truncate64|unlink)|lowrite|pg_notify|pg_logical_emit_message)$";

const SUPERUSER_CLOSES = [
  "revoke usage on schema public from public",
  `do $$ declare f regprocedure; begin
  for f in select oid from pg_proc where pronamespace = 'pg_catalog'::regnamespace and proname ~ '${OPEN_FUNCTIONS}' loop
    execute format('revoke execute on function %s from public', f);
  end loop;
end $$`,
  `do $$ declare d name; begin
  for d in select datname from pg_database where datname <> current_database() loop
    execute format('revoke connect, temporary on database %I from public', d);
  end loop;
end $$`,
];

async function currentDatabase(tx: Tx): Promise<string> {
  const { rows } = await tx.executor.executeSql("select current_database() as name");
  return String(rows[0]?.["name"]);
}

async function demandViews(tx: Tx): Promise<void> {
  const { rows } = await tx.executor.executeSql("select to_regclass('report.version') is not null as found");
  if (rows[0]?.["found"] !== true)
    throw new ReportRoleError("The database has no reports yet: run `pressrun migrate`, or start this version's `pressrun serve` once.");
}

async function findRole(tx: Tx, name: string): Promise<{ remark: string | null } | null> {
  const { rows } = await tx.executor.executeSql("select shobj_description(oid, 'pg_authid') as remark from pg_roles where rolname = $1", [
    name,
  ]);
  return (rows[0] as { remark: string | null } | undefined) ?? null;
}

/** A typing error must not change the service's own role, or an administrator's. */
async function demandOurs(tx: Tx, name: string): Promise<void> {
  const role = await findRole(tx, name);
  const database = await currentDatabase(tx);
  if (!role) throw new ReportRoleError(`There is no role "${name}". \`pressrun report-user create ${name}\` makes it.`);
  if (role.remark !== remark(database))
    throw new ReportRoleError(
      `The role "${name}" was not made by \`pressrun report-user create\` for the database ${database}, and is left alone.`,
    );
}

/** To end the sessions of a role takes the rights of that role, which whoever made it can take. */
async function endSessions(tx: Tx, name: string): Promise<void> {
  const { rows } = await tx.executor.executeSql("select rolsuper as super from pg_roles where rolname = current_user");
  const isSuperuser = rows[0]?.["super"] === true;
  if (!isSuperuser) await tx.executor.executeSql(`grant ${quote(name)} to current_user`);
  await tx.executor.executeSql("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", [name]);
  if (!isSuperuser) await tx.executor.executeSql(`revoke ${quote(name)} from current_user`);
}

const NO_RIGHT = "42501";
const STILL_NEEDED = "2BP01";

/** Where our own role may not manage roles, the error holds the statements, for an administrator to run. */
async function asAdministrator(statements: readonly string[], work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const { code, detail, message } = error as pg.DatabaseError;
    if (code === STILL_NEEDED)
      throw new ReportRoleError(`The role cannot be dropped, since something beside the reports depends on it: ${detail ?? message}`, {
        cause: error,
      });
    if (code !== NO_RIGHT) throw error;
    throw new ReportRoleError(
      `The role in DATABASE_URL may not do this (${message}): it needs CREATEROLE, and to have made the report user. Have an administrator of the server run, in this database:\n\n${statements.map((statement) => `${statement};`).join("\n")}`,
      { cause: error },
    );
  }
}
