// The chat with one person: over the data channel of its connection, and through the room where there is none. What the channel did not bring is said again through the room; no message comes twice.

export interface Message {
  /** Unique in the call. */
  readonly id: string;
  readonly text: string;
}

export const TEXT_MAX = 2000;
/** So many ids are remembered, to know what came already. */
const SEEN_MAX = 500;

export class Line {
  readonly #heard: (message: Message) => void;
  readonly #throughRoom: (message: Message) => void;
  /** What was said over the channel, and is not known to have arrived. */
  readonly #pending = new Map<string, Message>();
  readonly #seen = new Set<string>();
  #channel: RTCDataChannel | undefined;

  constructor(heard: (message: Message) => void, throughRoom: (message: Message) => void) {
    this.#heard = heard;
    this.#throughRoom = throughRoom;
  }

  /** Goes on over that channel; what the one before it did not bring goes through the room. */
  use(channel: RTCDataChannel): void {
    this.flush();
    this.#channel = channel;
    channel.onmessage = ({ data }) => this.#take(channel, data);
    channel.onclose = () => {
      if (channel === this.#channel) this.flush();
    };
  }

  say(message: Message): void {
    if (this.#channel?.readyState !== "open") return this.#throughRoom(message);
    this.#pending.set(message.id, message);
    this.#channel.send(JSON.stringify(message));
  }

  /** The channel brings nothing any more, it seems. */
  flush(): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const message of pending) this.#throughRoom(message);
  }

  /** Something that the other side said, by whichever way; what is no message is passed over. */
  hear(said: unknown): void {
    const message = messageOf(said);
    if (!message || this.#seen.has(message.id)) return;
    this.#seen.add(message.id);
    const [oldest] = this.#seen;
    if (this.#seen.size > SEEN_MAX && oldest !== undefined) this.#seen.delete(oldest);
    this.#heard(message);
  }

  #take(channel: RTCDataChannel, data: unknown): void {
    const said = parse(data);
    if (typeof said?.seen === "string") this.#pending.delete(said.seen);
    const message = messageOf(said);
    if (!message) return;
    channel.send(JSON.stringify({ seen: message.id }));
    this.hear(message);
  }
}

function parse(data: unknown): { seen?: unknown } | undefined {
  try {
    return Object(JSON.parse(String(data)));
  } catch {
    return undefined; // No JSON, so nothing of ours.
  }
}

function messageOf(said: unknown): Message | undefined {
  const { id, text } = Object(said) as { id?: unknown; text?: unknown };
  if (typeof id !== "string" || id.length > 64 || typeof text !== "string" || !text.trim()) return undefined;
  return { id, text: Array.from(text).slice(0, TEXT_MAX).join("") };
}
