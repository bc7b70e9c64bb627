/**
 * What somebody does who opens the start page for the first time, timed: looks whether the proxy answers, serves in a tab, and reaches that from another.
 *
 * `node visit.mjs URL`
 */

import { expect as base, chromium as browsers } from "@playwright/test";
import { chromium } from "./programs.mjs";

const [url = "http://127.0.0.1:8080/"] = process.argv.slice(2);
const expect = base.configure({ timeout: 30_000 });
let since = performance.now();

/** @param {string} what */
function took(what) {
  const now = performance.now();
  console.log(`${what.padEnd(28)} ${((now - since) / 1000).toFixed(1).padStart(6)} s`);
  since = now;
}

const browser = await browsers.launch({ executablePath: chromium(), args: ["--no-sandbox", "--disable-gpu"] });
try {
  const page = await browser.newPage();
  took("Chromium is there");
  await page.goto(url);
  await expect(page.getByText("The proxy answers")).toBeVisible();
  took("the start page");
  await page.getByRole("link", { name: "Echo" }).click();
  await page.getByRole("button", { name: "Serve" }).click();
  const link = page.getByRole("link", { name: "Open a client tab" });
  await expect(link).toBeVisible();
  took("a tab that serves");
  const opening = page.waitForEvent("popup");
  await link.click();
  const client = await opening;
  await client.getByRole("textbox", { name: "Message" }).fill("hello over there");
  await client.getByRole("button", { name: "Send" }).click();
  await expect(client.getByRole("log").getByText("hello over there")).toHaveCount(2);
  took("a tab that reaches it");
} finally {
  await browser.close();
}
