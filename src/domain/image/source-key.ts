import { hash } from "node:crypto";
import { withoutSignature } from "../url/link-expiry.ts";
import type { Recipe } from "./recipe.ts";

/**
 * To be raised with every change after which an image would come out as another picture, or is refused: what an earlier version made of it
 * must not be linked then, for as long as its origin says that nothing has changed. Together with a migration that says `truncate
 * known_source`, whose rows nobody finds any more.
 */
const PICTURES = 4;

/**
 * Returns the key of a URL under this recipe: 128 bits of SHA-256, as the uuid in which the database keeps it. A signed link has one key under
 * every signature, since shops sign theirs anew for each export.
 */
export function createSourceKey(recipe: Recipe): (url: string) => string {
  const under = `${PICTURES}\n${JSON.stringify(recipe)}`;
  return (url) => {
    const hex = hash("sha256", `${under}\n${withoutSignature(url)}`, "hex");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
  };
}
