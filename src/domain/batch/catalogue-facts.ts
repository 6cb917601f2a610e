import type { UrlCell } from "../url/image-url.ts";

/** What must be known of a file to write its result; plain data, kept with the batch. */
export type CatalogueFacts = TextFacts &
  Layout & {
    /** Everything above the first product as it came: header, lines above it, blank lines; without the byte order mark. */
    head: string;
    newline: "\n" | "\r\n" | "\r";
    rows: number;
    rowsWithoutImage: number;
    images: number;
  };

export type TextFacts = { encoding: Encoding; hasBom: boolean };

/** The encodings that spreadsheets and shop systems write. */
export const ENCODINGS = ["utf-8", "utf-16le", "utf-16be", "windows-1252"] as const;
export type Encoding = (typeof ENCODINGS)[number];

/** How a file is to be read: where its header is, what divides cells, which columns mean what. */
export type Layout = {
  delimiter: string;
  dialect: string | null;
  headerLine: number;
  header: string[];
  columns: Columns;
  baseUrl: string | null;
};

/** Indexes of cells, from 0. */
export type Columns = {
  /** In the order of preference: the first whose cell is filled names the row. */
  id: number[];
  name: number[];
  /** In the order of the file. */
  images: ImageColumn[];
};

/** `blank`: what a cell without an image holds, where that is not nothing. */
export type ImageColumn = { index: number; cell: UrlCell; blank?: string };
