export type MuteReceivers = {
  /**
   * Whether a delivery to this origin may be sent now: 0, and `end` must follow; else in how many milliseconds to ask again.
   */
  admit(origin: string): number;
  /** `wasMute`: it held its place for long and had no answer. Any other end, a refusal too, holds up nobody; null says nothing of that. */
  end(origin: string, wasMute: boolean | null): void;
};

type Receiver = { underWay: number; isMute: boolean; backAt: number };

/** One would do to see whether it answers again; with two, one event whose answer alone takes too long does not hide that. */
const AT_ONCE_WHILE_MUTE = 2;
/** A place that is taken is free again after 20 s, when the answer is late. At random, so that what is postponed together does not come back together. */
const POSTPONED_MS_MIN = 20_000;
const POSTPONED_MS_MAX = 60_000;
/** Of one receiver's events no more than twenty come back in a second, however many wait: each costs some statements to be postponed again. */
const BACK_APART_MS = 50;
/** Some 200 bytes each. Beyond, those are forgotten that fell silent first, which then hold up others for 20 s once more. */
const MUTE_MAX = 1_000;

/**
 * A receiver that accepts connections and never answers, or whose name servers do not, would hold each of its deliveries' places until the answer is late: 60 of its
 * events held up those of all others by five minutes with four places, and again at each of their attempts. So it gets few
 * places at once after the first late answer, until one comes in time.
 */
export function createMuteReceivers({ now, random }: { now: () => number; random: () => number }): MuteReceivers {
  const receivers = new Map<string, Receiver>();
  return {
    admit(origin) {
      const receiver = receivers.get(origin) ?? { underWay: 0, isMute: false, backAt: -Infinity };
      if (receiver.isMute && receiver.underWay >= AT_ONCE_WHILE_MUTE) {
        receiver.backAt = Math.max(receiver.backAt, now()) + BACK_APART_MS;
        return receiver.backAt - now() + POSTPONED_MS_MIN + random() * (POSTPONED_MS_MAX - POSTPONED_MS_MIN);
      }
      receiver.underWay += 1;
      receivers.set(origin, receiver);
      return 0;
    },
    end(origin, wasMute) {
      const receiver = receivers.get(origin);
      if (!receiver) return;
      receiver.underWay -= 1;
      receiver.isMute = wasMute ?? receiver.isMute;
      receivers.delete(origin);
      // At the end, as the last that was heard of.
      if (receiver.isMute || receiver.underWay > 0) receivers.set(origin, receiver);
      if (receivers.size > MUTE_MAX) forgetFirst(receivers);
    },
  };
}

/** What is under way must be counted until it ends. */
function forgetFirst(receivers: Map<string, Receiver>): void {
  for (const [origin, { underWay }] of receivers) if (underWay === 0) return void receivers.delete(origin);
}
