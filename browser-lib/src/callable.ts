// Classes that can be called without `new`, as the original's programs do.

/** A class that works with and without `new`. */
export interface Callable<A extends unknown[], T extends object> {
  new (...args: A): T;
  (...args: A): T;
  readonly prototype: T;
}

/** Makes a class callable without `new`. */
export function callable<A extends unknown[], T extends object>(Class: new (...args: A) => T): Callable<A, T> {
  return new Proxy(Class, {
    apply: (target, _self, args: A) => new target(...args),
  }) as Callable<A, T>;
}
