/** A Chromium in a network of its own. */

import { chmod, writeFile } from "node:fs/promises";
import { type Browser, chromium as chromiumOf, type TestInfo } from "@playwright/test";
import type { Network } from "../harness/networks.mjs";
import { chromium } from "../harness/programs.mjs";

/** Starts it there; `change` says what is other than for the browsers of other tests. */
export async function launchIn(
  { through, address }: Network,
  info: TestInfo,
  change = (args: string[]) => args,
): Promise<Browser> {
  const wrapper = info.outputPath(`chromium-${address}`);
  await writeFile(wrapper, `#!/bin/sh\nexec ${through.join(" ")} ${chromium()} "$@"\n`);
  await chmod(wrapper, 0o755);
  const { launchOptions = {} } = info.project.use;
  return await chromiumOf.launch({
    ...launchOptions,
    args: change(launchOptions.args ?? []),
    executablePath: wrapper,
  });
}
