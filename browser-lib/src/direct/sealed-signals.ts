// Signals of a sealed stream: but for the client's proof, which is none of anything if it is not the first, all of them are sealed.

import { each } from "../each.ts";
import { BODY_MAX, FrameReader, frame } from "../framing.ts";
import { parseObject } from "../json.ts";
import type { Notes } from "../resume/proof.ts";
import type { Stream } from "../stream.ts";
import type { Hear, Signals } from "./signals.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What stands in front of the sealed notes: the proof that this side says, or that it must hear. */
export interface Proof {
  readonly said?: string;
  readonly heard?: string;
}

export function overSealed(stream: Stream, notes: Notes, { said, heard }: Proof): Signals {
  const writer = stream.writable.getWriter();
  let isOver = false;
  // Whether anybody hears it shows in whether there is a connection.
  const ignore = () => {};
  /** Notes leave in the order in which they were sealed. */
  let last: Promise<unknown> =
    said === undefined ? Promise.resolve() : writer.write(frame({ note: "proof", value: said }));
  const then = (next: () => Promise<unknown>) => {
    last = last.then(next);
    last.catch(ignore);
  };
  return {
    say(note, value) {
      if (isOver) return;
      const sealed = notes.seal(new TextEncoder().encode(JSON.stringify({ note, value })));
      sealed.catch(ignore);
      then(async () => writer.write(await sealed));
    },
    hear: (listen) => hear(stream.readable, notes, heard, listen),
    end() {
      if (!isOver) then(() => writer.close());
      isOver = true;
    },
    abort: () => stream.reset(),
  };
}

/** Rejects for a proof or a note that is not the other end's. */
async function hear(
  readable: ReadableStream<Bytes>,
  notes: Notes,
  proof: string | undefined,
  listen: Parameters<Hear>[0],
): Promise<void> {
  const first = new FrameReader(BODY_MAX);
  let isProven = proof === undefined;
  for await (const bytes of each(readable)) {
    let rest = bytes;
    if (!isProven) {
      const { used, value } = first.push(bytes);
      rest = bytes.subarray(used);
      if (value && (value.note !== "proof" || value.value !== proof)) throw new TypeError("the client is another");
      isProven = value !== undefined;
    }
    for (const body of await notes.open(rest)) {
      const { note, value } = parseObject(body);
      if (typeof note === "string") listen(note, value);
    }
  }
}
