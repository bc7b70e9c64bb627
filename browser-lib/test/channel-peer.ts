// The proxy's end of a channel, as a test says it.

import { Channel, type PublishOptions, type SubscribeOptions } from "../src/channel/index.ts";
import { integers } from "../src/resume/record.ts";
import { dial, type FarStream } from "./peer.ts";

export const ID = "00112233-4455-6677-8899-aabbccddeeff";

type Field = number | string | Uint8Array;

/** A record: numbers are integers, text and bytes lie there as they are, behind their length where `said` puts it. */
export function record(type: number, ...fields: Field[]): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(type)];
  for (const field of fields) {
    if (typeof field === "number") {
      const out: number[] = [];
      integers(out, 0, field);
      parts.push(Uint8Array.from(out.slice(1)));
    } else parts.push(typeof field === "string" ? new TextEncoder().encode(field) : field);
  }
  return new Uint8Array(Buffer.concat(parts));
}

function sized(field: string | Uint8Array): [number, Uint8Array] {
  const bytes = typeof field === "string" ? new TextEncoder().encode(field) : field;
  return [bytes.length, bytes];
}

/** What the proxy tells a subscriber. */
export const says = {
  part: (publisher: number, bytes: string | Uint8Array) => record(1, publisher, ...sized(bytes)),
  last: (publisher: number, bytes: string | Uint8Array) => record(2, publisher, ...sized(bytes)),
  cut: (publisher: number) => record(3, publisher),
  joined: (publisher: number, first = 0, who: object = { id: `id-${publisher}`, peer: { session: "s" } }) =>
    record(4, publisher, first, ...sized(JSON.stringify(who))),
  skipped: (publisher: number, messages: number) => record(5, publisher, messages),
  left: (publisher: number, code: number, text = "") => record(6, publisher, code, ...sized(text)),
  end: (code: number, text = "") => record(7, code, ...sized(text)),
};

/** What it tells a publisher. */
export const tells = {
  readers: (count: number) => record(1, count),
  came: (reader: number, id: Uint8Array) => record(2, reader, id),
  left: (reader: number, code: number, taken: number) => record(3, reader, code, taken),
  progress: (slowest: number, delivered: number) => record(4, slowest, delivered),
  end: (code: number, text = "") => record(5, code, ...sized(text)),
};

/** A subscription that the proxy took, and the far end of its stream. */
export async function subscribed(options: SubscribeOptions = {}) {
  const { mdm, peer } = dial();
  const subscription = Channel(mdm).subscribe("NAME", options);
  const far = await peer.opened("/channel/subscribe/NAME");
  far.frame({ id: ID, channel: { policy: "wait", replay: 0, message_bytes_max: 1 << 24 } });
  return { mdm, peer, subscription, far };
}

/** A publication that the proxy took, and the far end of its stream. */
export async function published(options: PublishOptions = {}, max = 1 << 24) {
  const { mdm, peer } = dial();
  const publication = Channel(mdm).publish("NAME", options);
  const far = await peer.opened("/channel/publish/NAME");
  far.frame({ id: ID, channel: { policy: "wait", replay: 0, publishers: "one", number: 0, message_bytes_max: max } });
  await publication.opened;
  return { mdm, peer, publication, far };
}

/** What a publisher said: messages as text, those that are whole, `cut`, and how it ended. */
export function heard(far: FarStream): unknown[] {
  const { bytes } = far;
  const said: unknown[] = [];
  let at = 0;
  let message = "";
  const integer = () => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 0x7f) * shift;
      if (byte < 0x80) return value;
    }
  };
  const text = (length: number) => {
    at += length;
    return new TextDecoder().decode(bytes.subarray(at - length, at));
  };
  while (at < bytes.length) {
    const type = bytes[at++];
    if (type === 1 || type === 2) message += text(integer());
    if (type === 2) said.push(message);
    if (type === 3) said.push(null);
    if (type === 2 || type === 3) message = "";
    if (type === 4) said.push({ code: integer(), text: text(integer()) });
  }
  if (message) said.push({ begun: message });
  return said;
}
