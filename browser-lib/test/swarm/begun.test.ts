// A content that was begun before: its manifest is here, and none of its pieces.

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { outcome } from "../peer.ts";
import { comes, happens, install, pieces, World } from "./world.ts";

beforeEach(install);
afterEach(() => void vi.unstubAllGlobals());

it("a content that was begun and given up is looked for again", async () => {
  const world = new World();
  const bytes = pieces(3);
  const id = await world.join("first").seed(new Blob([bytes]));
  await happens("an announcement", () => world.holders(id).length > 0);
  const second = world.join("second");
  const begun = second.fetch(id, { range: [0, 0] });
  await begun.opened;
  begun.cancel();
  expect(await outcome(begun.done)).toBe("cancelled");
  expect(await comes(second.fetch(id), bytes)).toBe("ok");
});
