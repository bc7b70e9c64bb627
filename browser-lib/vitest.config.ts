import { defineConfig } from "vitest/config";

export default defineConfig({
  // No test waits for time to pass; a busy machine may take long all the same.
  test: { include: ["test/**/*.test.ts"], testTimeout: 30_000 },
});
