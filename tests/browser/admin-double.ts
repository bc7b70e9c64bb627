/** The admin page beside a stand-in for the proxy's port of --admin, which tells what a test wants. */

import { test as base, expect, type Page } from "@playwright/test";
import { AdminDouble } from "../harness/admin.mjs";

interface Fixtures {
  admin: AdminDouble;
  /** The page of that port; no test may break its policy, or leave an error alone. */
  page: Page;
}

export const test = base.extend<Fixtures>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixture's needs off this pattern
  admin: async ({}, use) => {
    const admin = await AdminDouble.start();
    await use(admin);
    await admin.stop();
  },
  page: async ({ page }, use) => {
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.addInitScript(() => {
      addEventListener("securitypolicyviolation", ({ violatedDirective, sourceFile, lineNumber }) => {
        throw new Error(`policy: ${violatedDirective} at ${sourceFile}:${lineNumber}`);
      });
    });
    await use(page);
    expect(errors, "no error, and nothing that the policy forbids").toEqual([]);
  },
});

export const SINCE = Date.now() - 60_000;
export const MARKUP = `<img src=x onerror="document.title='evil'"><b>bold</b>`;
export const ODD = [
  MARKUP,
  "日本語の名前",
  "صورة العائلة",
  "a very long name that goes on and on, as names of people’s devices sometimes do",
];

export const id = (n: number): string => `${String(n).padStart(8, "0")}-1111-4222-8333-444444444444`;

export function session(n: number, more: object = {}) {
  const seen = { since_ms: SINCE - n * 1000, rtt_ms: 1.5, streams: 2, names: 0, received: n * 1000, sent: 0, queue: 0 };
  return { id: id(n), address: `192.0.2.${n % 256}:${40_000 + n}`, sub: null, ...seen, user_agent: null, ...more };
}

export function stream(n: number, more: object = {}) {
  const traffic = { received: n, sent: 0, queue: 0, resumable: true, kind: "stream" };
  const ends = {
    opener: id(n),
    acceptor: id(n + 1),
    name: `service ${n % 100}`,
    path: "/browser-server/connect/service",
  };
  return { id: `${id(n)}:1`, ...ends, since_ms: SINCE - n, ...traffic, ...more };
}

export function server(name: string, more: object = {}) {
  const key = `/browser-server/${name}`;
  const facts = {
    session: id(1),
    since_ms: SINCE,
    state: "listening",
    generation: 1,
    clients: 3,
    received: 0,
    sent: 0,
  };
  return { key, name, prefix: "/browser-server", ...facts, ...more };
}

export const rows = (page: Page) => page.locator(".rows .body [role=row]");

export { expect };
