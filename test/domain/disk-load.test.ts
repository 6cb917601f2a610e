import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createDiskLoad, type Begun, type DiskLoad } from "../../src/domain/disk-load.ts";

/** An input and one output. */
const FILES = 2;

describe("the load of the disk", () => {
  const startLoad = (spareBytes: number, bytesMax = 1_000) => {
    const load = createDiskLoad({ bytesMax });
    load.onLook()(spareBytes);
    return load;
  };
  /** As many as there is room for. */
  const fill = (load: DiskLoad): Begun[] => {
    const begun: Begun[] = [];
    while (load.hasRoomFor(FILES)) begun.push(load.begin(FILES));
    return begun;
  };
  /** Since its size is learned of one image, and seen by a look. */
  const startKnown = (spareBytes: number, bytes: number) => {
    const load = startLoad(spareBytes);
    const first = load.begin(FILES);
    first.onBody(bytes);
    first.onEnd();
    load.onLook()(spareBytes);
    return load;
  };

  test("has no room before the first look", () => {
    assert.equal(createDiskLoad({ bytesMax: 1_000 }).hasRoomFor(FILES), false);
  });

  test("has room for what the largest downloads may bring until a head tells their size, and then for more", () => {
    const load = startLoad(20_000);
    const first = fill(load);
    assert.equal(first.length, 10);
    for (const { onBody } of first) assert.equal(onBody(100), true);
    assert.equal(fill(load).length, 90);
  });

  test("tries one after the other where there is no room for the largest, and none where there is no room for one like it", () => {
    const load = startLoad(500);
    const [first, ...others] = fill(load);
    assert.equal(others.length, 0);
    assert.equal(first?.onBody(50), true);
    assert.equal(fill(load).length, 4);

    const full = startLoad(500);
    const [larger] = fill(full);
    assert.equal(larger?.onBody(600), false);
    larger?.onEnd();
    full.onLook()(500);
    assert.equal(full.hasRoomFor(FILES), false);
    full.onLook()(1_200);
    assert.equal(full.hasRoomFor(FILES), true);
  });

  test("is less careful with each answer that has no body, while no size is known", () => {
    const load = startLoad(2_000);
    for (let index = 0; index < 32; index += 1) load.begin(FILES).onEnd();
    assert.ok(fill(load).length > 30);
  });

  test("counts what has ended until a look that began later, and nothing of what brought no file", () => {
    const load = startKnown(1_000, 100);
    const begun = fill(load);
    assert.equal(begun.length, 5);
    const onFound = load.onLook();
    begun[0]?.onBody(100);
    begun[0]?.onEnd();
    onFound(1_000);
    assert.equal(load.hasRoomFor(FILES), false);
    load.onLook()(800);
    assert.equal(load.hasRoomFor(FILES), false);
    load.onLook()(1_000);
    assert.equal(load.hasRoomFor(FILES), true);

    begun[1]?.onEnd();
    assert.equal(fill(load).length, 2);
  });

  test("hears nothing of a look that another has overtaken", () => {
    const load = startKnown(1_000, 100);
    const onFoundFirst = load.onLook();
    const [begun] = fill(load);
    begun?.onBody(100);
    begun?.onEnd();
    load.onLook()(800);
    onFoundFirst(1_000);
    assert.equal(load.hasRoomFor(FILES), false);
  });

  test("refuses what is larger than all that was promised to it where there is no room, and expects as much of the next", () => {
    const load = startKnown(2_000, 100);
    const begun = fill(load);
    assert.equal(begun.length, 10);
    assert.deepEqual(
      begun.map(({ onBody }) => onBody(190)),
      begun.map(() => true),
      "within the promise",
    );
    const other = startKnown(2_000, 100);
    const [first, second] = [other.begin(FILES), other.begin(FILES)];
    assert.equal(first.onBody(800), true);
    assert.equal(second.onBody(800), false);
    assert.equal(other.hasRoomFor(FILES), false);
  });

  test("refuses a body of unknown size once it has outgrown its promise and there is no room for as much again", () => {
    const load = startKnown(1_000, 100);
    const [first] = fill(load);
    assert.equal(first?.onBody(null), true);
    assert.equal(first?.onBytes(200), true);
    assert.equal(first?.onBytes(1), false);
    const alone = startKnown(1_000, 100).begin(FILES);
    alone.onBody(null);
    assert.equal(alone.onBytes(240), true);
    assert.equal(alone.onBytes(720), true);
    assert.equal(alone.onBytes(1), false);
  });

  test("whatever comes, never lets more come than there is", () => {
    const events = fc.oneof(
      fc.record({ kind: fc.constant("begin" as const) }),
      fc.record({
        kind: fc.constant("body" as const),
        which: fc.nat(99),
        bytes: fc.integer({ min: 1, max: 1_000 }),
        isKnown: fc.boolean(),
      }),
      fc.record({ kind: fc.constant("end" as const), which: fc.nat(99) }),
      fc.record({ kind: fc.constant("look" as const) }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), fc.array(events, { maxLength: 300 }), (spare, all) => {
        const load = startLoad(spare);
        const inHand: { begun: Begun; bytes: number }[] = [];
        let kept = 0;
        const written = () => inHand.reduce((sum, { bytes }) => sum + bytes, kept);
        for (const event of all) {
          const at = "which" in event ? event.which % Math.max(1, inHand.length) : 0;
          const image = inHand[at];
          if (event.kind === "begin" && load.hasRoomFor(FILES)) inHand.push({ begun: load.begin(FILES), bytes: 0 });
          if (event.kind === "look") load.onLook()(spare - written());
          if (event.kind === "body" && image?.bytes === 0) {
            const { begun } = image;
            if (begun.onBody(event.isKnown ? event.bytes : null) && begun.onBytes(event.bytes)) image.bytes = event.bytes;
          }
          if (event.kind === "end" && image) {
            image.begun.onEnd();
            kept += image.bytes;
            inHand.splice(at, 1);
          }
          assert.ok(written() <= spare, `${written()} of ${spare}`);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
