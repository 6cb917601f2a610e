import type { Preflight } from "../../contract/preflight.ts";
import { DIALECTS } from "../../csv/dialects/all.ts";
import { counted, withoutControls, duration, list, number } from "../plain-words.ts";
import { nameFlags } from "../read-flags.ts";

type Probe = NonNullable<Preflight["probe"]>;

const HOSTS_SHOWN = 10;
const COLUMN_WIDTH = 12;

/** A preflight as people read it. */
export function writePreflight(report: Preflight): string {
  const lines = [
    headline(report),
    "",
    ...(report.file ? describeFile(report.file) : []),
    ...(report.rows > 0 ? [...describeCounts(report), ...describeHosts(report)] : []),
    ...describeProblems(report),
    ...list(
      "Warnings",
      (report.warnings ?? []).map(({ code, message }) => `${code}: ${message}`),
    ),
    ...list("Good to know", (report.file?.traps ?? []).map(nameFlags)),
    ...(report.probe ? describeProbe(report.probe) : []),
  ];
  return `${lines.map(withoutControls).join("\n")}\n`;
}

function headline({ ok, fileName, file, problemCount }: Preflight): string {
  const dialect = DIALECTS.find(({ name }) => name === file?.dialect);
  const what = dialect
    ? `a file as ${dialect.title} writes it`
    : file
      ? "a table of no shop system that is known here"
      : "nothing that could be read";
  return `${fileName ?? "standard input"}: ${what}; ${ok ? "it can be uploaded as it is" : `it has ${counted(problemCount, "problem")}`}`;
}

const DELIMITERS: Record<string, string> = { ",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", "~": "tilde" };

function describeFile({ encoding, hasBom, delimiter, headerLine, columns, baseUrl }: NonNullable<Preflight["file"]>): string[] {
  const named = (headers: readonly string[]) => headers.map((header) => `"${header}"`).join(", ");
  return [
    row(
      "File",
      `${encoding}${hasBom ? " with byte order mark" : ""}, ${DELIMITERS[delimiter] ?? delimiter} between cells, header in line ${headerLine}`,
    ),
    row("Images in", named(columns.images)),
    row("Name in", named(columns.name) || "none"),
    row("Id in", named(columns.id) || "none: the line is taken"),
    ...(baseUrl === null ? [] : [row("Base URL", baseUrl)]),
  ];
}

function describeCounts({ rows, rowsWithoutImage, products, images, imagesDistinct, imagesInvalid }: Preflight): string[] {
  return [
    row("Rows", `${number(rows)}${rowsWithoutImage > 0 ? `, of which ${number(rowsWithoutImage)} without an image` : ""}`),
    row("Products", number(products)),
    row(
      "Images",
      `${number(images)}, of which ${number(imagesDistinct)} distinct${imagesInvalid > 0 ? ` and ${number(imagesInvalid)} no URL that can be fetched` : ""}`,
    ),
  ];
}

function describeHosts({ hosts, hostCount, images, imagesInvalid }: Preflight): string[] {
  const shown = hosts.slice(0, HOSTS_SHOWN);
  const rest = images - imagesInvalid - shown.reduce((sum, host) => sum + host.images, 0);
  const lines = shown.map(({ host, images }) => `${host}: ${counted(images, "image")}`);
  if (hostCount > shown.length) lines.push(`${counted(hostCount - shown.length, "other host")}: ${counted(rest, "image")}`);
  return lines.map((line, index) => row(index === 0 ? (hostCount === 1 ? "Host" : "Hosts") : "", line));
}

export function describeProblems({ problems, problemCount }: Pick<Preflight, "problems" | "problemCount">): string[] {
  const title = problemCount > problems.length ? `Problems (the first ${problems.length} of ${number(problemCount)})` : "Problems";
  return list(
    title,
    problems.map(
      ({ line, column, code, message }) => `line ${line}${column === null ? "" : `, column "${column}"`}: ${code}: ${nameFlags(message)}`,
    ),
  );
}

function describeProbe(probe: Probe): string[] {
  const title = `Probe: ${counted(probe.tried, "image")} tried, ${number(probe.failed)} failed${probe.unfinished > 0 ? `, ${number(probe.unfinished)} not finished in time` : ""}`;
  const hosts = probe.hosts
    .filter(({ failed }, index) => failed > 0 || index < HOSTS_SHOWN)
    .map(({ host, tried, failed, codes }) => {
      const why = codes.map(({ code, images, isRetried }) => `${code} ${images}${isRetried ? " (a batch tries it again)" : ""}`).join(", ");
      return `${host ?? "other hosts"}: ${failed} of ${tried} failed${why === "" ? "" : `: ${why}`}`;
    });
  const examples = probe.examples.map(({ url, code, message }) => `${url}: ${code}: ${message}`);
  return [...list(title, hosts), ...list("Failed, for example", examples), ...list("Forecast", describeForecast(probe.forecast))];
}

function describeForecast(forecast: Probe["forecast"]): string[] {
  if (forecast === null) return ["none: no image was tried to the end"];
  const {
    failures: { expected, low, high },
    bytes,
    megapixels,
    seconds,
    fetchSeconds,
    encodeSeconds,
    assumes,
  } = forecast;
  const range = low === high ? "every one was tried" : `by so few tries, ${number(low)} to ${number(high)} with a confidence of 95 %`;
  return [
    `about ${counted(expected, "distinct image")} will fail (${range})`,
    `${number(bytes / 1_000_000)} MB to fetch, ${number(megapixels)} megapixels to compress`,
    `${duration(seconds)} on an idle service (fetching ${duration(fetchSeconds)}, compressing to ${assumes.format} ${duration(encodeSeconds)} with ${counted(assumes.encoders, "encoder")})`,
  ];
}

function row(title: string, text: string): string {
  return `  ${title.padEnd(COLUMN_WIDTH)}${text}`;
}
