import type { LookupFunction } from "node:net";
import type { Deadlines } from "./deadlines.ts";
import type { Watch } from "./http1/client.ts";

/**
 * Follows a request as its deadlines do, which rest while its `lookup` is under way: that has a deadline of its own (look-ups.ts). A
 * connection looks its name up as it is made, before anything is asked on it.
 */
export function restDuringLookUp(deadlines: Deadlines, lookup: LookupFunction): { watch: Watch; lookup: LookupFunction } {
  let isLookingUp = false;
  let endRequest: (reason: Error) => void = () => {};
  const begin: Watch["begin"] = (end) => {
    endRequest = end;
    deadlines.begin(end);
    if (isLookingUp) deadlines.rest();
  };
  return {
    watch: { ...deadlines, begin },
    lookup(hostname, options, callback) {
      isLookingUp = true;
      lookup(hostname, options, (...found) => {
        isLookingUp = false;
        deadlines.begin(endRequest);
        callback(...found);
      });
    },
  };
}
