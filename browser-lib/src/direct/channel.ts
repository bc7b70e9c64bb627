// A data channel as transport.

import type { CloseInfo, Transport } from "../transport.ts";

/** Beyond so much that lies queued in the channel, payload waits: what has to be said soon is not late behind it. */
const FULL = 256 * 1024;
const LOW = 128 * 1024;

export class ChannelTransport implements Transport {
  onopen = (): void => {};
  onmessage = (_: Uint8Array<ArrayBuffer>): void => {};
  onclose = (_: CloseInfo): void => {};
  onroom = (): void => {};
  readonly #channel: RTCDataChannel;

  constructor(channel: RTCDataChannel) {
    this.#channel = channel;
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = LOW;
    channel.onbufferedamountlow = () => this.onroom();
    channel.onopen = () => this.onopen();
    channel.onclose = () => this.onclose({ code: 1006, reason: "" });
    channel.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) this.onmessage(new Uint8Array(data));
      else this.close();
    };
  }

  get isFull(): boolean {
    return this.#channel.bufferedAmount >= FULL;
  }

  /** The session's messages are of 64 KiB at most, which every browser takes. */
  send(bytes: Uint8Array<ArrayBuffer>): void {
    try {
      this.#channel.send(bytes);
    } catch {
      // It is closed, and its event is on the way.
      this.onclose({ code: 1006, reason: "" });
    }
  }

  close(): void {
    this.#channel.close();
  }
}
