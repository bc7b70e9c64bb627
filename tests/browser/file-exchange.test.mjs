/** The file-exchange example in Firefox: kept in its storage, handed to a service worker, downloaded. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openPage, startFirefox } from "../harness/firefox.mjs";
import { startProxy } from "../harness/proxy.mjs";
import { until } from "../harness/wait.mjs";

const SIZE = 20 * 1024 * 1024 + 1;
const NAME = "von Firefox 日本 (1).bin";
const WAIT_MS = 60_000;

/** @type {import("../harness/proxy.mjs").RunningProxy} */
let proxy;
/** @type {import("puppeteer-core").Browser} */
let browser;
const folder = mkdtempSync(join(tmpdir(), "firefox-downloads-"));

before(async () => {
  proxy = await startProxy();
  browser = await startFirefox({
    "browser.download.folderList": 2,
    "browser.download.dir": folder,
    "browser.helperApps.neverAsk.saveToDisk": "application/octet-stream",
  });
});

after(async () => {
  await browser?.close();
  await proxy?.stop();
  rmSync(folder, { recursive: true });
});

test("a file goes from one page to another's downloads in Firefox", { timeout: 300_000 }, async () => {
  const sender = await openPage(browser);
  await sender.goto(`${proxy.url}examples/file-exchange/`);
  await sender.evaluate(
    (name, size) => {
      const transfer = new DataTransfer();
      const bytes = Uint8Array.from({ length: size }, (_, at) => Math.imul(at, 0x9e3779b1) >>> 24);
      transfer.items.add(new File([bytes], name, { type: "application/octet-stream" }));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
    },
    NAME,
    SIZE,
  );
  await sender.waitForSelector("#share:not([hidden])");
  // Its keys are made first.
  const linkNow = () => sender.$eval("#link", (field) => /** @type {HTMLInputElement} */ (field).value);
  const link = await until(WAIT_MS, "the link", linkNow);
  const receiver = await openPage(browser);
  await receiver.goto(link);
  const button = await receiver.waitForSelector("#incoming [data-part=act]:not([hidden])");
  // Not where the mouse finds it: what comes meanwhile moves it.
  await button?.evaluate((element) => /** @type {HTMLElement} */ (element).click());
  await receiver.waitForSelector("#incoming [data-state=done]", { timeout: WAIT_MS });
  const path = join(folder, NAME);
  await until(WAIT_MS, "the whole download", () => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) === SIZE);
  const expected = Uint8Array.from({ length: SIZE }, (_, at) => Math.imul(at, 0x9e3779b1) >>> 24);
  const digest = (/** @type {Uint8Array} */ bytes) => createHash("sha256").update(bytes).digest("hex");
  assert.equal(digest(readFileSync(path)), digest(expected));
});
