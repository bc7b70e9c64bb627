// The response that carries a connection, as the proxy writes it.

/** A record as the proxy writes it. */
export function record(kind: number, body: string | Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const head = [kind, bytes.length >> 16, (bytes.length >> 8) & 255, bytes.length & 255];
  return new Uint8Array([...head, ...bytes]);
}
