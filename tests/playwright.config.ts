import { defineConfig } from "@playwright/test";
import { chromium } from "./harness/programs.mjs";

/** `LONG=1` takes the big sizes and gives them the time. */
const long = process.env.LONG === "1";

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
    { name: "browser", testDir: "browser", testMatch: "**/*.spec.ts", outputDir: "test-results/browser" },
    { name: "interop", testDir: "interop", testMatch: "**/*.spec.ts", outputDir: "test-results/interop" },
  ],
});
