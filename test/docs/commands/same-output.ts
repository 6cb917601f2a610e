import assert from "node:assert/strict";

/** What differs from run to run: both sides lose it before they are compared, and so show the same in its place. */
const VARYING: [RegExp, string][] = [
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "UUID"],
  [/\/outputs\/[\w-]{22}(?=[/"])/g, "/outputs/TOKEN"],
  [/whsec_[\w+/]{43}=/g, "whsec_SECRET"],
  [/(?<=postgres:\/\/\w+:)[^@\s]+(?=@)/g, "PASSWORD"],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, "TIME"],
  [/(?<=127\.0\.0\.1:|localhost:)\d+/g, "PORT"],
  [/"(?:size|bytes|input|output|inputBytes|outputBytes|seconds|width|height)": ?[\d.]+/g, "MEASURED"],
  [/\b[\d,]+(?:\.\d+)? (?:MB|kB|ms|s|min|images\/s|images per second|megapixels|% saved)(?![\w/])/g, "MEASURED"],
  [/\b[\d,]+ bytes\b/g, "MEASURED"],
  [/(?<=with )\d+ encoders?\b/g, "ENCODERS"],
];

/** The reader's own folder, as pages call it. */
const FOLDER = /\/home\/you\/\w+/g;

/** Progress comes in lines whose number depends on the machine: all but the last are only looked at, and of that the counts. */
const PROGRESS =
  /^ *(?<percent>\d+) %  (?<settled>\d+)\/(?<total>\d+) images, (?<failed>\d+) failed(?: \((?:\w+ \d+(?:, )?)+\))?(?:, [\d.,]+ images\/s)?(?:, [\d.,]+ (?:ms|s|min) left)?$/;

export type Names = { folder: string; /** What the page calls it, and what it is here. */ replaced: [string, string][] };

/** `…` on a page stands for the rest of a word or line, and alone on a line for any number of lines. */
export function assertSameOutput(came: string, shown: string, { folder, replaced }: Names, where: string): void {
  // What we say ourselves may hold a name that is replaced (an example of a URL): both sides lose it.
  const here = (text: string) => replaced.reduce((rest, [name, value]) => rest.replaceAll(name, value), text);
  const [actual, pattern] = [plain(here(came), where), plain(here(shown.replaceAll(FOLDER, folder)), where)];
  const source = pattern
    .split("\n")
    .map((line) => (line === "…" ? "(?:.*\\n)*?" : `${line.split("…").map(escape).join(".*")}\\n`))
    .join("");
  if (!new RegExp(`^${source}$`).test(`${actual}\n`))
    assert.equal(actual, pattern, `${where} shows what does not come. What came:\n${came}`);
}

function escape(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}

function plain(output: string, where: string): string {
  let text = withoutProgress(
    output
      .trimEnd()
      .split("\n")
      .map((line) => line.trimEnd()),
    where,
  ).join("\n");
  for (const [pattern, name] of VARYING) text = text.replaceAll(pattern, name);
  return text;
}

function withoutProgress(lines: string[], where: string): string[] {
  let last = 0;
  return lines.flatMap((line) => {
    const { percent, settled, total, failed } = PROGRESS.exec(line)?.groups ?? {};
    if (percent === undefined) return [line];
    const isRight = Number(percent) === Math.floor((100 * Number(settled)) / Number(total)) && Number(percent) >= last;
    assert.ok(isRight, `${where}: progress that cannot be: ${line}`);
    last = Number(percent);
    return last === 100 ? [`100 %  ${total} images, ${failed} failed`] : [];
  });
}
