// A stream in Node's style, its far end, and the events that it told.

import { dial } from "./peer.ts";

export async function pair(encoding?: "utf8") {
  const { mdm, peer } = dial(encoding ? { encoding } : {});
  const stream = mdm.createStream();
  const far = await peer.opened("/");
  far.frame({});
  await stream.opened;
  const events: string[] = [];
  for (const event of ["end", "finish", "drain", "close"] as const) stream.on(event, () => events.push(event));
  stream.on("error", ({ code }) => events.push(`error ${code}`));
  return { mdm, peer, stream, far, events };
}

export type Pair = Awaited<ReturnType<typeof pair>>;
