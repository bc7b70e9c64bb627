// What a stream's "data" gives: bytes, or text where that is asked for. Types only.

export type Bytes = Uint8Array<ArrayBuffer>;

/** What "data" may give. */
export type Received = string | Bytes;

/** Options that ask for text. */
export interface Text {
  encoding: "utf8";
}

/** Options that leave it as it is. */
export interface Plain {
  encoding?: undefined;
}
