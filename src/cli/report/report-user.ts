import { randomBytes } from "node:crypto";
import { readConfig } from "../../config.ts";
import { withOwnConnection } from "../../db/connection/own-connection.ts";
import { checkRoleName, createReportRole, dropReportRole, ReportRoleError, rotateReportRole } from "../../db/report/report-role.ts";
import { withoutPassword } from "../../domain/secret/database-url.ts";
import { scramVerifier } from "../../domain/secret/scram.ts";
import { openDatabase, type OpenedDatabase } from "./open-database.ts";
import { Unusable } from "../unusable.ts";

/** As the command line gave them. */
type ReportUserArgs = { action: "create" | "rotate" | "drop"; name: string };

const PASSWORD_BYTES = 24;
const SALT_BYTES = 16;

/** The connection string goes to the standard output, all else to the standard error. */
export async function reportUser({ action, name }: ReportUserArgs): Promise<void> {
  checkName(name);
  const database = await openDatabase(readConfig(process.env, { isServed: false }));
  try {
    if (action === "drop") await drop(database, name);
    else if (action === "rotate") await giveNewPassword(database, name);
    else await create(database, name);
  } finally {
    await database.close();
  }
}

function checkName(name: string): void {
  try {
    checkRoleName(name);
  } catch (error) {
    throw error instanceof ReportRoleError ? new Unusable(error.message, { cause: error }) : error;
  }
}

async function create(database: OpenedDatabase, name: string): Promise<void> {
  const { connection, verifier } = makePassword(database.url, name);
  const open = await withOwnConnection(database.url, (transaction) =>
    transaction((tx) => createReportRole(tx, { name, verifier, isDatabaseOurs: database.isEmbedded })),
  ).catch((error: unknown) => {
    if (error instanceof ReportRoleError && error.cause !== undefined)
      throw new ReportRoleError(`${error.message}\n\nThen the connection string is\n\n${connection}`, { cause: error });
    throw error;
  });
  console.log(connection);
  console.error(
    `The password is shown only here. ${database.isEmbedded ? "It works while the service runs. " : ""}Try: psql "${connection.replace(/:[^:@/]*@/, ":…@")}" -c '\\dv+'`,
  );
  if (open.length > 0)
    console.error(
      `\nPostgreSQL gives every role of a server more than our reports: where that is to end, a superuser runs in this database what else here can do without\n\n${open.map((statement) => `${statement};`).join("\n")}`,
    );
}

async function giveNewPassword(database: OpenedDatabase, name: string): Promise<void> {
  const { connection, verifier } = makePassword(database.url, name);
  await withOwnConnection(database.url, (transaction) =>
    transaction((tx) => rotateReportRole(tx, { name, verifier, isDatabaseOurs: database.isEmbedded })),
  );
  console.log(connection);
  console.error("The old password is void, and its sessions have ended.");
}

async function drop(database: OpenedDatabase, name: string): Promise<void> {
  await withOwnConnection(database.url, (transaction) => transaction((tx) => dropReportRole(tx, name)));
  console.error(`The role ${name} is gone.`);
}

function makePassword(databaseUrl: string, name: string): { connection: string; verifier: string } {
  const password = randomBytes(PASSWORD_BYTES).toString("base64url");
  const connection = Object.assign(new URL(withoutPassword(databaseUrl)), { username: name, password }).href;
  return { connection, verifier: scramVerifier(password, randomBytes(SALT_BYTES)) };
}
