import { defineConfig } from "@playwright/test";
import { canMakeNetworks } from "./harness/networks.mjs";
import { chromium } from "./harness/programs.mjs";

/** `LONG=1` takes the big sizes and gives them the time. */
const long = process.env.LONG === "1";

/** Tests between two networks. */
const between = canMakeNetworks() ? [] : ["**/cut.spec.ts", "**/stun.spec.ts"];
// Once, and not again in each worker.
if (between.length > 0 && process.env.TEST_WORKER_INDEX === undefined) {
  process.stderr.write(`Not run: ${between}. Networks of their own need root, unshare and ip.\n`);
}

export default defineConfig({
  fullyParallel: true,
  workers: 2,
  retries: 0,
  forbidOnly: true,
  timeout: long ? 300_000 : 90_000,
  expect: { timeout: 10_000 },
  reporter: [["list"]],
  use: {
    browserName: "chromium",
    launchOptions: {
      executablePath: chromium(),
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        // WebRTC stays on loopback; a page that a test makes up counts as a public one and may connect all the same.
        "--disable-features=WebRtcHideLocalIpsWithMdns,LocalNetworkAccessChecks",
      ],
    },
  },
  projects: [
    {
      name: "browser",
      testDir: "browser",
      testMatch: "**/*.spec.ts",
      testIgnore: between,
      outputDir: "test-results/browser",
    },
    { name: "cluster", testDir: "cluster", testMatch: "**/*.spec.ts", outputDir: "test-results/cluster" },
    { name: "interop", testDir: "interop", testMatch: "**/*.spec.ts", outputDir: "test-results/interop" },
  ],
});
