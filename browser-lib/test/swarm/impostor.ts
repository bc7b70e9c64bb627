// A peer of a swarm in memory that keeps to nothing but what a test says.

import { frame } from "../../src/framing.ts";
import { type Stream, StreamServer } from "../../src/index.ts";
import { Bitmap } from "../../src/swarm/bitmap.ts";
import { have, MANIFEST_IS, record, type Wish, wishDecoder } from "../../src/swarm/records.ts";
import { identify, passes, settled, type World } from "./world.ts";

/** A peer that says that it has everything, and does with each wish what a test says. */
export async function impostor(
  world: World,
  bytes: Uint8Array<ArrayBuffer>,
  act: (wish: Wish, stream: Stream, write: (...parts: Uint8Array[]) => void) => void,
) {
  const { id, manifest } = await identify(bytes);
  const name = `swarm-${crypto.randomUUID()}`;
  const mdm = world.page(name);
  const heard: Wish[] = [];
  const server = StreamServer(mdm, { prefix: "/swarm" }, async (stream) => {
    const wishes = wishDecoder();
    const write = (...parts: Uint8Array[]) => void stream.write(new Uint8Array(Buffer.concat(parts)));
    for await (const chunk of stream) {
      wishes.push(chunk);
      for (let wish = wishes.next(); wish; wish = wishes.next()) {
        heard.push(wish);
        if (wish.type === 1) write(have(wish.ref, Bitmap.full(manifest.pieces)));
        else if (wish.type === 3) write(record(MANIFEST_IS, wish.ref, manifest.bytes.length), manifest.bytes);
        else act(wish, stream, write);
      }
    }
  });
  const { listening } = server.listen(name);
  await passes("the name", () => settled(listening));
  const track = mdm.createStream(undefined, { path: "/swarm/track" });
  const value = { name, contents: [{ id, pieces: manifest.pieces }] };
  track.write(frame({ note: "announce", value }));
  await passes("the announcement", () => world.holders(id).includes(name));
  const asks = () => heard.filter(({ type }) => type === 4).length;
  return { name, id, mdm, asks, stop: () => mdm.close() };
}
