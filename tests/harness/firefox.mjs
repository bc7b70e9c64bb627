/** Firefox for the tests: Playwright cannot drive a stock one; puppeteer can, over BiDi. */

import puppeteer from "puppeteer-core";
import { install } from "./in-page.mjs";
import { firefox } from "./programs.mjs";

/** What a start, a page or a part of it may take where other tests run beside this one. */
const WAIT_MS = 60_000;

/** @param {Record<string, unknown>} [extraPrefsFirefox] */
export function startFirefox(extraPrefsFirefox = {}) {
  const executablePath = firefox();
  return puppeteer.launch({ browser: "firefox", executablePath, headless: true, timeout: WAIT_MS, extraPrefsFirefox });
}

/** An empty page in a context of its own. @param {import("puppeteer-core").Browser} browser */
export async function openPage(browser) {
  const page = await (await browser.createBrowserContext()).newPage();
  page.setDefaultTimeout(WAIT_MS);
  return page;
}

/** A page of a proxy, with the library as `bss`. @param {import("puppeteer-core").Browser} browser @param {string} url */
export async function openTab(browser, url) {
  const page = await openPage(browser);
  await page.goto(url);
  await page.evaluate(install);
  await page.evaluate(async () => {
    globalThis.bss = await import("/browser-stream-server.js");
  });
  return page;
}
