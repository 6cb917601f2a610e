import { gzipSync } from "node:zlib";

/** One upload that is to be refused, and exactly how. */
export type HostileCase = {
  name: string;
  /** Called before the clock starts: making a file of 10 MB is not what is measured. */
  make(origin: string): Sent;
  status: number;
  code: string;
  /** Line, column and code of the first of `errors`; where it is about an option, the option's name alone. */
  first?: readonly [line: number, column: string | null, code: string] | string;
  /** What the answer says to people. */
  says: RegExp;
};

export type Sent = {
  body: string | Buffer | FormData | null;
  type?: string;
  query?: string;
  path?: string;
  headers?: Record<string, string>;
};
export type Expected = Omit<HostileCase, "name" | "make">;
type First = NonNullable<HostileCase["first"]>;

export const HEAD = "S. No,Product Name,Input Image Urls\n";
export const IMAGE_COLUMN = "Input Image Urls";
export const SEED_ROUTE = "/uploadAndProcessDocument";

/** A file of one problem, as the body itself. */
export function csvCase(name: string, file: () => string | Buffer, first: First, says: RegExp): HostileCase {
  return { name, make: () => ({ body: file(), type: "text/csv" }), ...invalidCsv(first, says) };
}

export function invalidCsv(first: First, says: RegExp): Expected {
  return { status: 422, code: "invalid_csv", first, says };
}

/** What is no CSV at all, as a form's file on the seed's route. */
export function wrongType(name: string, file: () => string | Buffer, says: RegExp): HostileCase {
  return { name, make: () => ({ body: formOf(file()), path: SEED_ROUTE }), status: 415, code: "wrong_file_type", says };
}

export function jsonCase(name: string, body: (origin: string) => unknown, expected: Expected): HostileCase {
  return { name, make: (origin) => ({ body: textOf(body(origin)), type: "application/json" }), ...expected };
}

/** A text or bytes stand for themselves. */
function textOf(body: unknown): string | Buffer {
  return typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
}

export function formOf(file: string | Buffer, fields: Record<string, string> = {}): FormData {
  const form = new FormData();
  form.set("file", new Blob([Buffer.from(file)]), "products.csv");
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  return form;
}

/** A file of the seed's columns with this cell of URLs. */
export function csvOfUrl(cell: string): string {
  return `${HEAD}1,Mug,"${cell.replaceAll('"', '""')}"\n`;
}

export function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

export function utf16(text: string): Buffer {
  return Buffer.from(text, "utf16le");
}

export function gzip(file: string | Buffer): Buffer {
  return gzipSync(file, { level: 9 });
}
