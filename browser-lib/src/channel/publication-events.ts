// What a publication tells of its readers. Types only.

import type { StreamError } from "../error.ts";

/** How far the readers are, in bytes of this publisher's messages. */
export interface ChannelProgress {
  /** What has left us. */
  readonly sent: number;
  /** What no reader has to take any more: its part of the way is up to a window more than its program has read. */
  readonly slowest: number;
  /** What readers took, the sum over all that ever were; what was left out for one (`drop`) is none of it. */
  readonly delivered: number;
}

export interface ChannelReader {
  /** The unique id that the proxy gave it. */
  readonly id: string;
  /** Its number in this channel, from 0. */
  readonly number: number;
}

export interface GoneReader extends ChannelReader {
  /** Bytes of our messages that it had taken. */
  readonly taken: number;
  /** Nothing where it left; `lost`, `lagging`, or what it reset with. */
  readonly error: StreamError | undefined;
}

export interface PublicationEvents {
  /** Another number of readers. */
  readers: [count: number];
  /** A reader is there. */
  came: [reader: ChannelReader];
  /** A reader is gone. */
  left: [reader: GoneReader];
  /** A reader was cut off for being too slow; told behind `left`. */
  lagging: [reader: GoneReader];
  /** At most four times in a second. */
  progress: [progress: ChannelProgress];
  /** It failed, as `closed` rejects. */
  error: [error: StreamError];
  /** It is over. */
  close: [];
}
