import { createServer, type HttpDeps } from "../src/http/server.ts";
import { readVersion } from "../src/version.ts";

export const DOCUMENT_URL = new URL("../openapi.json", import.meta.url);

/** openapi.json as the code says it now, ready to be written. No route is called, so what they need is not there. */
export async function makeDocument(): Promise<string> {
  const settings = {
    publicUrl: () => "http://127.0.0.1:3000",
    auth: "none",
    apiKeys: [],
    uploadBytesMax: 0,
    uploadMs: 0,
    version: await readVersion(),
  };
  const app = await createServer({ settings } as unknown as HttpDeps);
  const document = app.swagger();
  await app.close();
  return `${JSON.stringify(document, null, 2)}\n`;
}
