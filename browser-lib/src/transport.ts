// What carries a session's bytes: a WebSocket, or a pair of streams.

/** How a transport closed. */
export interface CloseInfo {
  /** As a WebSocket counts: 1000 is a clean close, 1006 a broken connection. */
  readonly code: number;
  readonly reason: string;
}

/** Carries messages of bytes in order. The session sets the handlers before anything happens. */
export interface Transport {
  onopen: () => void;
  /** The boundaries of messages mean nothing. */
  onmessage: (bytes: Uint8Array<ArrayBuffer>) => void;
  /** Called once, also when the transport never opened. */
  onclose: (info: CloseInfo) => void;
  /** Called when it may be full no more; set where it can be. */
  onroom?: () => void;
  /** Whether payload is to wait. What keeps the mux alive is sent all the same, and is little. */
  readonly isFull?: boolean;
  /** Sends whole frames. The bytes are only valid during the call. */
  send(bytes: Uint8Array<ArrayBuffer>): void;
  /** Closes behind what was sent. A browser allows 1000 and 3000–4999. */
  close(code: number, reason: string): void;
}
