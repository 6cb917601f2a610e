import { isAbsolute, relative } from "node:path";

/** For texts of files and origins: without control characters, which a terminal obeys. */
export function withoutControls(line: string): string {
  return line.replaceAll(/[\u0000-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]/g, "�");
}

/** Below 10 with one digit behind the point. */
export function number(value: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });
}

export function counted(count: number, noun: string): string {
  return `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
}

export function duration(seconds: number): string {
  if (seconds < 120) return `${number(seconds)} s`;
  const minutes = seconds / 60;
  return minutes < 120 ? `${number(minutes)} min` : `${number(minutes / 60)} h`;
}

export function list(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", title, ...lines.map((line) => `  ${line}`)];
}

/** A path below the current folder as it is typed from there, any other as it is. */
export function shownPath(path: string): string {
  const short = relative(process.cwd(), path);
  return short === "" || short.startsWith("..") || isAbsolute(short) ? path : short;
}
