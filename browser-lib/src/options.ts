// What a user gives, checked where the user can see it. Options that nobody knows are passed over, as the platform's own calls do.

import { StreamError } from "./error.ts";

/** Throws `bad_request` with this rule where it is not kept. */
export function demand(isKept: unknown, rule: string): void {
  if (!isKept) throw new StreamError("bad_request", rule);
}
