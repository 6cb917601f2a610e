type Kept<Key> = { readonly size: number; keys(): Iterable<Key>; delete(key: Key): boolean };

/** Keeps a Map within `max` whose entries have the order in which they were put last: the one for which that is longest ago goes. */
export function putLast<Key, Value>(map: Map<Key, Value>, key: Key, value: Value, max: number): void {
  map.delete(key);
  map.set(key, value);
  forgetOldest(map, max);
}

/** Keeps a Map or a Set within `max`, where one was just put in: the one that was put in first goes, and is returned. */
export function forgetOldest<Key>(kept: Kept<Key>, max: number): Key | undefined {
  if (kept.size <= max) return undefined;
  const [oldest] = kept.keys();
  if (oldest !== undefined) kept.delete(oldest);
  return oldest;
}
