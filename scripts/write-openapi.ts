import { writeFile } from "node:fs/promises";
import { DOCUMENT_URL, makeDocument } from "./openapi-document.ts";

await writeFile(DOCUMENT_URL, await makeDocument());
