// Every bound and timer of resumable streams (RESUME.md, sections 4 and 5). Sizes in bytes, times in milliseconds.

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND = 1000;

/** The longest payload of one DATA record. */
export const DATA_MAX = 64 * KIB;
/** Bytes that may stand behind the open of a stream before its reply. */
export const EARLY_MAX = 64 * KIB;
/** DATA that may lie queued in one carrier, so that what comes behind it is never late. */
export const CARRIER_QUEUE_MAX = 256 * KIB;

/** The bounds, each with its reason; a test takes smaller ones. */
export const LIMITS = {
  /** Bytes that a peer may send before it was told of any room. Both ends assume it. */
  windowMin: 256 * KIB,
  /** What a window may grow to. */
  windowMax: 8 * MIB,
  /** Bytes kept for repeating when the budget is used up; a writer waits beyond them. */
  replayMin: 256 * KIB,
  /** Bytes kept for repeating, if the budget has them and the peer's window is not larger. */
  replay: MIB,
  /** What they may grow to with the peer's window. */
  replayMax: 8 * MIB,
  /** So many new bytes are acknowledged at once, or a quarter of the window if that is less. No more than a sender keeps at least: it would wait for the timer. */
  ackBytes: 256 * KIB,
  /** Fewer are acknowledged this long after the first. */
  ackDelay: 50,
  /** The longest pause before the first try to open a carrier again; it doubles with each. */
  reopenMin: 100,
  /** What it doubles up to. */
  reopenMax: 5 * SECOND,
  /** From the open of a carrier until it is proven, at the client. */
  handshakeProxy: 15 * SECOND,
  handshakeDirect: 3 * SECOND,
  /** The same at the server. */
  unproven: 10 * SECOND,
  /** Unproven carriers of one session. */
  unprovenMax: 64,
  /** A client that had no proven carrier for this long gives up. */
  grace: 120 * SECOND,
  /** So much longer than the grace does a server remember: a client may notice a death up to 45 s later. */
  holdExtra: 60 * SECOND,
  /** A clock that is this late has slept: one more try before the stream is lost. */
  sleep: 5 * SECOND,
  /** Silence on a carrier, while something is outstanding, until it is asked. */
  quietProxy: 5 * SECOND,
  quietDirect: SECOND,
  /** Silence after the question until it is dead. */
  deadProxy: 10 * SECOND,
  deadDirect: 2 * SECOND,
  /** Between two moves by choice. */
  choice: SECOND,
  /** How long a sender that moves by choice waits for acknowledgements, to repeat less. */
  choiceWait: 200,
  /** Proven carriers of one stream. */
  carriersMax: 4,
  /** Proven carriers that may break without one new byte in between. */
  brokenMax: 3,
  /** Ended streams that a server remembers. */
  tombstonesMax: 65_536,
};

export type Limits = Readonly<typeof LIMITS>;
