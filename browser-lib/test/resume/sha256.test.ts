import { createHash } from "node:crypto";
import { afterEach, expect, it, vi } from "vitest";
import { hmac, plainHmac, sha256 } from "../../src/resume/sha256.ts";
import { toHex } from "../vectors.ts";
import { filled } from "./end.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

afterEach(() => vi.unstubAllGlobals());

it.each([
  ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  [
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  ],
  ["a".repeat(1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"],
])("FIPS 180-4: %.20s", (text, digest) => expect(toHex(sha256(bytes(text)))).toBe(digest));

it("a message of any length is digested", () => {
  for (let length = 0; length < 200; length++) {
    const message = Uint8Array.from({ length }, (_, i) => 3 * i);
    expect(toHex(sha256(message))).toBe(createHash("sha256").update(message).digest("hex"));
  }
});

const RFC_4231 = [
  [filled(20, 0x0b), bytes("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"],
  [
    bytes("Jefe"),
    bytes("what do ya want for nothing?"),
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  ],
  [filled(20, 0xaa), filled(50, 0xdd), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"],
  [
    Uint8Array.from({ length: 25 }, (_, i) => i + 1),
    filled(50, 0xcd),
    "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
  ],
] as const;

it.each(RFC_4231)("RFC 4231, with crypto.subtle and without", async (key, message, mac) => {
  expect(toHex(await hmac(key, message))).toBe(mac);
  expect(toHex(plainHmac(key, message))).toBe(mac);
});

it("a page of no secure context has no crypto.subtle, and proves all the same", async () => {
  const [key, message, mac] = RFC_4231[1];
  vi.stubGlobal("crypto", {});
  expect(toHex(await hmac(key, message))).toBe(mac);
});
