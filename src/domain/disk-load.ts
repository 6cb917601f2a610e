/** What the images in hand may put on the disk, and what there is beside its reserve. */
export type DiskLoad = {
  /** Whether there is room for one more image of so many files, its input and its outputs. */
  hasRoomFor(files: number): boolean;
  /** An image begins. */
  begin(files: number): Begun;
  /** Called just before a look at the disk, and what it returns with what was free besides the reserve. */
  onLook(): (spareBytes: number) => void;
  /** There is nothing that the last look has not seen whole. */
  readonly isAtRest: boolean;
};

/** What an image in hand tells of itself. */
export type Begun = {
  /** Its file begins to come, of so many bytes where that is known. False where there is no room for it: nothing more of it may come. */
  onBody(bytes: number | null): boolean;
  /** So much of it has come. False as above. */
  onBytes(count: number): boolean;
  /** All of its files are written, or gone. */
  onEnd(): void;
};

/** Weight of a smaller size in what is expected. A larger one is believed at once: too little expected is what eats the reserve. */
const SMALLER_WEIGHT = 1 / 8;

/**
 * Each image in hand is promised room for its input, as large as those before it until its head tells, and as much again for each
 * output, since what cannot be made smaller is kept as it is. The promise counts whole until a look at the disk has seen all that came
 * of it. So what is on the disk already is in part counted twice, which errs on the side of the reserve, and matters to nobody while
 * there is room.
 *
 * While no size is known an image may be as large as any download may be (`bytesMax`), or less with each answer that has no body. Where
 * there is no room for that, one after the other is tried until a head tells more.
 */
export function createDiskLoad({ bytesMax }: { bytesMax: number }): DiskLoad {
  const sizes = createSizes(bytesMax);
  const room = createRoom();
  return {
    hasRoomFor: (files) => room.left >= files * sizes.expected || (sizes.isGuess && room.isAtRest && room.left > 0),
    begin: (files) => begin(files, sizes, room),
    onLook: room.onLook,
    get isAtRest() {
      return room.isAtRest;
    },
  };
}

function begin(files: number, sizes: Sizes, room: Room): Begun {
  // Of one that is only tried, what there is.
  let promised = Math.min(files * sizes.expected, room.left);
  /** Null until a file comes. */
  let came: number | null = null;
  let isSizeKnown = false;
  room.promise(promised);
  const promise = (bytes: number) => {
    room.promise(bytes - promised);
    promised = bytes;
  };
  /** What is larger than expected comes all the same where it is not more than all that was promised. */
  const isAdmitted = (bytes: number) => {
    const before = promised;
    sizes.add(bytes);
    promise(files * bytes);
    if (bytes <= before || room.left >= 0) return true;
    promise(before);
    return false;
  };
  return {
    onBody(bytes) {
      came = 0;
      isSizeKnown = bytes !== null && Number.isFinite(bytes);
      return bytes === null || !isSizeKnown || isAdmitted(bytes);
    },
    onBytes(count) {
      if (came === null) return true;
      came += count;
      // Where the size is not known as much again as has come is awaited.
      return came <= promised || isAdmitted(2 * came);
    },
    onEnd() {
      if (came === null) sizes.onNone();
      else if (!isSizeKnown) sizes.add(came);
      room.end(promised, { isSeen: came === null });
    },
  };
}

type Sizes = { readonly expected: number; readonly isGuess: boolean; add(bytes: number): void; onNone(): void };

function createSizes(bytesMax: number): Sizes {
  let [expected, isGuess] = [bytesMax, true];
  const approach = (bytes: number) => (expected = Math.ceil(expected + (bytes - expected) * SMALLER_WEIGHT));
  return {
    get expected() {
      return expected;
    },
    get isGuess() {
      return isGuess;
    },
    add(bytes) {
      if (isGuess || bytes > expected) expected = bytes;
      else approach(bytes);
      isGuess = false;
    },
    onNone() {
      if (isGuess) approach(0);
    },
  };
}

type Room = ReturnType<typeof createRoom>;

function createRoom() {
  /** Nothing begins before the first look. */
  let spare = 0;
  let promised = 0;
  /** Promised to those that have ended, in all, and of that what the last look has seen. */
  let [ended, seen] = [0, 0];
  return {
    /** Below zero where more is promised than there is. */
    get left() {
      return spare - promised - (ended - seen);
    },
    get isAtRest() {
      return promised + ended === seen;
    },
    promise: (bytes: number) => void (promised += bytes),
    /** `isSeen`: nothing came of it. */
    end(bytes: number, { isSeen }: { isSeen: boolean }) {
      promised -= bytes;
      if (!isSeen) ended += bytes;
    },
    onLook() {
      const seenThen = ended;
      return (spareBytes: number) => {
        // One that a later look has overtaken has nothing to tell.
        if (seenThen < seen) return;
        seen = seenThen;
        spare = spareBytes;
      };
    },
  };
}
