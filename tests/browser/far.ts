/** A Chromium in a network of its own. */

import { chmod, writeFile } from "node:fs/promises";
import { type Browser, chromium as chromiumOf, type TestInfo } from "@playwright/test";
import type { FarNetwork } from "../harness/far-network.mjs";
import { chromium } from "../harness/programs.mjs";

/** Starts it there; `args` says what is other than for the browsers of other tests. */
export async function launchFar(
  { through }: Pick<FarNetwork, "through">,
  info: TestInfo,
  change = (args: string[]) => args,
): Promise<Browser> {
  const wrapper = info.outputPath("far-chromium");
  await writeFile(wrapper, `#!/bin/sh\nexec ${through.join(" ")} ${chromium()} "$@"\n`);
  await chmod(wrapper, 0o755);
  const { launchOptions = {} } = info.project.use;
  return await chromiumOf.launch({
    ...launchOptions,
    args: change(launchOptions.args ?? []),
    executablePath: wrapper,
  });
}
