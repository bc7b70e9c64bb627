// A direct path that can be broken as networks break it: without a word.

let live: Breakable[] = [];

class Breakable extends RTCPeerConnection {
  isBroken = false;

  constructor(configuration?: RTCConfiguration) {
    super(configuration);
    live = [...live.filter(({ connectionState }) => connectionState !== "closed"), this];
  }

  override createDataChannel(label: string, options?: RTCDataChannelInit): RTCDataChannel {
    const channel = super.createDataChannel(label, options);
    const send = channel.send.bind(channel) as (data: ArrayBufferView<ArrayBuffer>) => void;
    channel.send = (data: unknown) => {
      if (!this.isBroken) send(data as ArrayBufferView<ArrayBuffer>);
    };
    return channel;
  }
}

/** From now on the connections that this page makes can be broken. */
export function makeBreakable(): void {
  globalThis.RTCPeerConnection = Breakable;
}

/** Nothing that this page sends on its present connections gets anywhere any more. */
export function breakAll(): void {
  for (const connection of live) connection.isBroken = true;
  live = [];
}
