type Kept<Key> = { readonly size: number; keys(): Iterable<Key>; delete(key: Key): boolean };

/** Keeps a Map or a Set within `max`, where one was just put in: the one that was put in first goes, and is returned. */
export function forgetOldest<Key>(kept: Kept<Key>, max: number): Key | undefined {
  if (kept.size <= max) return undefined;
  const [oldest] = kept.keys();
  if (oldest !== undefined) kept.delete(oldest);
  return oldest;
}
