/** What nginx and Caddy hold of a session whose reader stopped, above what we hold. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CADDY, NGINX } from "../harness/front.mjs";
import { fill, speed, startPipe } from "./pipe.mjs";

const LONG = process.env.LONG === "1";
const KIB = 1 << 10;
const MIB = 1 << 20;
/** Bytes of a session that a front may have in its own memory, per direction. */
const HELD_MAX = 128 * KIB;
/** What is known of the sender's own queue. */
const EXACT_TO = 4 * KIB;

for (const kind of [NGINX, CADDY]) {
  describe(kind.name, () => {
    for (const way of ["to the visitor", "from the visitor"]) {
      test(`${way} it holds less than ${HELD_MAX / KIB} KiB in its own memory`, {
        timeout: 90_000,
      }, async (context) => {
        const pipe = await startPipe(kind);
        context.after(() => pipe.stop());
        const ends = [pipe.upstream, pipe.visitor];
        if (way === "from the visitor") ends.reverse();
        const [from, to] = /** @type {[import("node:net").Socket, import("node:net").Socket]} */ (ends);
        const { poured, kernel, held } = await fill(from, to);
        console.log(
          `${kind.name}, ${way}: ${(poured / MIB).toFixed(2)} MiB left the sender, ${(kernel / MIB).toFixed(2)} MiB in the kernel's buffers, ` +
            `${(held / KIB).toFixed(1)} KiB in its own`,
        );
        assert.ok(held > -EXACT_TO && held < HELD_MAX, `${held} bytes`);
      });
    }

    test("it is not the narrow place", { timeout: 150_000 }, async (context) => {
      const pipe = await startPipe(kind);
      context.after(() => pipe.stop());
      const [down, up] = [await speed(pipe.upstream, pipe.visitor), await speed(pipe.visitor, pipe.upstream)];
      console.log(`${kind.name}: ${down.toFixed(0)} MiB/s to the visitor, ${up.toFixed(0)} from it, without TLS`);
      // Beside other tests the machine is the narrow place.
      if (LONG) assert.ok(Math.min(down, up) > 20);
    });
  });
}
