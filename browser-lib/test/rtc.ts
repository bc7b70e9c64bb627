// A WebRTC in memory: connections meet by what their descriptions say, and their paths can be cut with a word or without one.

import { vi } from "vitest";
// It is there when it is wanted: no test waits for a file.
import "../src/direct/direct.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type Handler<E = unknown> = ((event: E) => void) | null;

/** How long it takes until two that have met are connected. */
const CONNECT_MS = 20;

export class Rtc {
  /** All that were made, in order. */
  readonly made: Connection[] = [];
  /** Whether paths can be found. */
  isPossible = true;
  /** What connections describe themselves with instead of what is true. */
  garbage: { type: string; sdp: string } | undefined;
  /** What came while the page stood still. */
  held: (() => void)[] | undefined;

  /** Becomes the page's. */
  install(): this {
    const made = (config: RTCConfiguration) => new Connection(this, config);
    class RTCPeerConnection {
      constructor(config: RTCConfiguration) {
        // biome-ignore lint/correctness/noConstructorReturn: the connection in memory is the connection
        return made(config);
      }
    }
    vi.stubGlobal("RTCPeerConnection", RTCPeerConnection);
    return this;
  }

  get live(): Connection[] {
    return this.made.filter(({ isClosed }) => !isClosed);
  }

  /** What is sent from now on over all that there are goes nowhere, and nobody is told. */
  silence(): void {
    for (const connection of this.live) connection.isSilent = true;
  }
}

export class Connection {
  onnegotiationneeded: Handler = null;
  onicecandidate: Handler<{ candidate: { toJSON(): object } | null }> = null;
  onconnectionstatechange: Handler = null;
  connectionState = "new";
  signalingState = "stable";
  localDescription: { type: string; sdp: string } | null = null;
  channel: Channel | undefined;
  peer: Connection | undefined;
  isClosed = false;
  isSilent = false;
  readonly config: RTCConfiguration;
  readonly rtc: Rtc;
  readonly #id: number;
  #hasCandidate = false;

  constructor(rtc: Rtc, config: RTCConfiguration) {
    this.rtc = rtc;
    this.config = config;
    if (config.iceServers?.some(({ urls }) => urls === "nowhere")) throw new SyntaxError("no URL of a server");
    this.#id = rtc.made.push(this) - 1;
  }

  createDataChannel(_: string, how: object): Channel {
    this.channel = new Channel(this, how);
    setTimeout(() => {
      if (this.signalingState === "stable" && !this.localDescription) this.onnegotiationneeded?.({});
    });
    return this.channel;
  }

  async setLocalDescription(): Promise<void> {
    await null;
    const isAnswer = this.signalingState === "have-remote-offer";
    this.localDescription = this.rtc.garbage ?? {
      type: isAnswer ? "answer" : "offer",
      sdp: `v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=${this.#id}\r\n`,
    };
    this.signalingState = isAnswer ? "stable" : "have-local-offer";
    if (this.config.iceTransportPolicy !== "relay") {
      const candidate = { candidate: `host ${this.#id}` };
      setTimeout(() => this.onicecandidate?.({ candidate: { toJSON: () => candidate } }));
    }
    setTimeout(() => this.onicecandidate?.({ candidate: null }));
    this.#meet();
  }

  async setRemoteDescription({ type, sdp }: RTCSessionDescriptionInit): Promise<void> {
    await null;
    const id = /^a=(\d+)/m.exec(`${sdp}`)?.[1];
    const peer = this.rtc.made[Number(id)];
    if (!peer) throw new TypeError("no description");
    if (type === "answer" && this.signalingState !== "have-local-offer") throw new TypeError("nothing was offered");
    this.peer = peer;
    this.signalingState = type === "offer" ? "have-remote-offer" : "stable";
    this.#meet();
  }

  async addIceCandidate({ candidate }: RTCIceCandidateInit): Promise<void> {
    if (!`${candidate}`.startsWith("host ")) throw new TypeError("no candidate");
    this.#hasCandidate = true;
    this.#meet();
  }

  get isReady(): boolean {
    return this.signalingState === "stable" && !!this.localDescription && this.#hasCandidate && !this.isClosed;
  }

  #meet(): void {
    const { peer } = this;
    if (!peer || !this.isReady || !peer.isReady || peer.peer !== this || !this.rtc.isPossible) return;
    setTimeout(() => {
      for (const { channel, isClosed } of [this, peer]) if (!isClosed) channel?.open();
    }, CONNECT_MS);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.channel?.shut();
    if (this.isSilent || this.peer?.isSilent) return;
    setTimeout(() => this.peer?.channel?.close());
  }
}

export class Channel {
  binaryType = "blob";
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  readyState = "connecting";
  onopen: Handler = null;
  onclose: Handler = null;
  onmessage: Handler<{ data: unknown }> = null;
  onbufferedamountlow: Handler = null;
  /** Bytes that were sent, and the most of them in one message. */
  sent = 0;
  largest = 0;
  readonly how: object;
  readonly #connection: Connection;

  constructor(connection: Connection, how: object) {
    this.#connection = connection;
    this.how = how;
  }

  open(): void {
    if (this.readyState !== "connecting") return;
    this.readyState = "open";
    this.onopen?.({});
  }

  send(bytes: Bytes): void {
    if (this.readyState !== "open") throw new TypeError("not open");
    this.sent += bytes.length;
    this.largest = Math.max(this.largest, bytes.length);
    this.bufferedAmount += bytes.length;
    const copy = bytes.slice();
    const deliver = () => {
      const before = this.bufferedAmount;
      this.bufferedAmount -= copy.length;
      const { peer, isSilent } = this.#connection;
      if (!isSilent && peer?.channel?.readyState === "open") peer.channel.onmessage?.({ data: copy.buffer });
      const low = this.bufferedAmountLowThreshold;
      if (before > low && this.bufferedAmount <= low) this.onbufferedamountlow?.({});
    };
    const { held } = this.#connection.rtc;
    if (held) held.push(deliver);
    else queueMicrotask(deliver);
  }

  /** As by the page, or by the other side: the event comes. */
  close(): void {
    if (!this.shut()) return;
    this.onclose?.({});
    const { peer, isSilent } = this.#connection;
    if (!isSilent) setTimeout(() => peer?.channel?.close());
  }

  /** Without an event; whether it was not before. */
  shut(): boolean {
    const isNew = this.readyState !== "closed";
    this.readyState = "closed";
    return isNew;
  }
}
