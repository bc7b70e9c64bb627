// A proxy that does something with the sealed records that pass, in plain streams and in those that resume: whose own records it makes anew around them, so that nothing but the seal tells.

import { Decoder } from "../src/resume/decoder.ts";
import { DATA_MAX } from "../src/resume/limits.ts";
import { ACK, DATA, type Fact, FIN, integers, JOIN, PROOF, PROVE, RESET, reset } from "../src/resume/record.ts";
import { Cutter, framed } from "../src/seal/records.ts";
import type { Leg, Switch } from "./splice.ts";

export type Bytes = Uint8Array<ArrayBuffer>;
/** What becomes of a record, length and all; they are numbered in each direction. */
export type Records = (record: Bytes, number: number, leg: Leg) => Bytes[];

/** What went one way. */
interface Way {
  readonly cutter: Cutter;
  readonly decoder: Decoder;
  number: number;
  /** Bytes of the stream that came, and that were passed on. */
  came: number;
  passed: number;
}

export class Tamper {
  readonly #resumes: boolean;
  readonly #of: (leg: Leg) => boolean;
  readonly #what: Records;
  readonly #ways = new Map<Leg, Way>();

  /** Does it with each record from these ends of the proxy's splices. */
  constructor(proxy: Switch, resumes: boolean, of: (leg: Leg) => boolean, what: Records) {
    this.#resumes = resumes;
    this.#of = of;
    this.#what = what;
    proxy.passes = (bytes, leg) => (resumes ? this.#resumed(bytes as Bytes, leg) : this.#plain(bytes as Bytes, leg));
  }

  /** Tells this end something, as if it came from the other one. */
  inject(to: Leg, bytes: Bytes): void {
    to.send(this.#resumes ? this.#data(this.#way(to.twin as Leg), bytes) : bytes);
  }

  #way(leg: Leg): Way {
    const way = this.#ways.get(leg) ?? { cutter: new Cutter(), decoder: new Decoder(), number: 0, came: 0, passed: 0 };
    this.#ways.set(leg, way);
    return way;
  }

  #plain(bytes: Bytes, leg: Leg): Bytes {
    if (!this.#of(leg)) return bytes;
    const way = this.#way(leg);
    const out: Bytes[] = [];
    for (let rest = bytes; rest.length > 0; ) {
      const { used, record } = way.cutter.push(rest);
      rest = rest.subarray(used);
      if (record) out.push(...this.#what(framed(record.slice()), way.number++, leg));
    }
    return new Uint8Array(Buffer.concat(out));
  }

  #resumed(bytes: Bytes, leg: Leg): Bytes {
    const way = this.#way(leg);
    const out: Bytes[] = [];
    way.decoder.rest = bytes;
    for (let fact = way.decoder.next(); fact; fact = way.decoder.next()) {
      if (fact.type === 0) {
        way.came += fact.bytes.length;
        out.push(this.#data(way, this.#plain(fact.bytes, leg)));
      } else if (fact.type !== DATA) out.push(this.#said(fact, way, this.#way(leg.twin as Leg)));
    }
    return new Uint8Array(Buffer.concat(out));
  }

  #data(way: Way, bytes: Bytes): Bytes {
    const out: Uint8Array[] = [];
    for (let rest = bytes; rest.length > 0; rest = rest.subarray(DATA_MAX)) {
      const [head, part] = [[] as number[], rest.subarray(0, DATA_MAX)];
      integers(head, DATA, way.passed, part.length);
      way.passed += part.length;
      out.push(Uint8Array.from(head), part);
    }
    return new Uint8Array(Buffer.concat(out));
  }

  /** What stands of the number of bytes is made to fit. */
  #said(fact: Exclude<Fact, { type: typeof DATA }>, { came, passed }: Way, back: Way): Bytes {
    const out: number[] = [];
    if (fact.type === FIN) integers(out, FIN, fact.total - came + passed);
    else if (fact.type === ACK) integers(out, ACK, Math.max(0, fact.received + back.came - back.passed), fact.room);
    else if (fact.type === RESET) reset(out, fact.reason);
    else if (fact.type === JOIN) out.push(JOIN, ...fact.stream, ...fact.nonce);
    else if (fact.type === PROVE) out.push(PROVE, ...fact.nonce, ...fact.mac);
    else if (fact.type === PROOF) out.push(PROOF, ...fact.mac);
    else integers(out, fact.type, ...("token" in fact ? [fact.token] : []));
    return Uint8Array.from(out);
  }
}
