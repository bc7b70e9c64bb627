// What a service worker has that a page has not. TypeScript knows it for workers alone, and the rest of the library is for pages.

export interface Client {
  readonly id: string;
  postMessage(message: unknown, transfer: Transferable[]): void;
}

interface Scope {
  readonly registration: { readonly scope: string };
  readonly clients: {
    claim(): Promise<void>;
    get(id: string): Promise<Client | undefined>;
    matchAll(options: { type: "window" }): Promise<Client[]>;
  };
  skipWaiting(): Promise<void>;
}

export interface Extendable extends Event {
  waitUntil(promise: Promise<unknown>): void;
}

export interface Fetching extends Extendable {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

export const scope = globalThis as unknown as Scope;
