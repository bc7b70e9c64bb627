// A promise and what settles it.

import type { StreamError } from "./error.ts";

export interface Settler<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: StreamError): void;
}

/** A promise to settle later. A page that does not look at it is not told of an unhandled rejection. */
export function settler<T = void>(): Settler<T> {
  let resolve = (_: T): void => {};
  let reject = (_: StreamError): void => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}
