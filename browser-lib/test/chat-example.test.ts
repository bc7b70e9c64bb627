// Parts of the example chat that need no page: which pictures move, what a name may be, what is believed of a message.

import { expect, test } from "vitest";
import { isAnimated } from "../../examples/chat/animated.ts";
import { hueOf, NICKNAME_MAX, nameOf, pageOf, tidy } from "../../examples/chat/nickname.ts";
import { readSaid, TEXT_MAX, writtenAt } from "../../examples/chat/wire.ts";

const ascii = (text: string) => [...Buffer.from(text, "latin1")];

/** A GIF of so many frames of one pixel, with a comment before its end. */
function gif(frames: number): Uint8Array {
  const head = [...ascii("GIF89a"), 1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 255, 255, 255];
  const frame = [0x21, 0xf9, 4, 0, 10, 0, 0, 0, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0];
  return Uint8Array.from([
    ...head,
    ...new Array<number[]>(frames).fill(frame).flat(),
    0x21,
    0xfe,
    2,
    0x2c,
    0x2c,
    0,
    0x3b,
  ]);
}

test("a picture that moves is told from one that stands still by its bytes", () => {
  expect(isAnimated(gif(1), "image/gif")).toBe(false);
  expect(isAnimated(gif(2), "image/gif")).toBe(true);
  const chunk = (name: string) => [0, 0, 0, 4, ...ascii(name), 1, 2, 3, 4, 0, 0, 0, 0];
  const png = (...names: string[]) => Uint8Array.from([...ascii("\x89PNG\r\n\x1a\n"), ...names.flatMap(chunk)]);
  expect(isAnimated(png("IHDR", "IDAT", "acTL"), "image/png")).toBe(false);
  expect(isAnimated(png("IHDR", "acTL", "IDAT"), "image/png")).toBe(true);
  const webp = (flags: number) => Uint8Array.from([...ascii("RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0"), flags, 0, 0, 0]);
  expect(isAnimated(webp(0x10), "image/webp")).toBe(false);
  expect(isAnimated(webp(0x12), "image/webp")).toBe(true);
  expect(isAnimated(Uint8Array.from(ascii("\0\0\0\x1cftypavif")), "image/avif")).toBe(false);
  expect(isAnimated(Uint8Array.from(ascii("\0\0\0\x1cftypavis")), "image/avif")).toBe(true);
});

test("bytes that say nonsense are no picture that moves, and end", () => {
  for (const type of ["image/gif", "image/png", "image/webp", "image/avif"]) {
    for (const bytes of [[], [1], new Array<number>(64).fill(0x21), new Array<number>(64).fill(0xff)]) {
      expect(isAnimated(Uint8Array.from(bytes), type)).toBe(false);
    }
  }
});

test("a name is what can be seen of it, and two of one name are told apart", () => {
  expect(tidy("  Ann \u202e\u0000 Lee\n")).toBe("Ann Lee");
  expect(tidy("\u200b \u2066")).toBe("");
  expect(tidy(7)).toBe("");
  expect([...tidy("🦊".repeat(100))]).toHaveLength(NICKNAME_MAX);
  const member = (id: string, nickname: unknown) => ({ id, profile: { nickname } });
  const [ann, other] = [member("1234-5", "Ann"), member("6789-0", "ann")];
  expect(nameOf(ann, [ann])).toBe("Ann");
  expect(nameOf(ann, [ann, other])).toBe("Ann (1234)");
  expect(nameOf({ id: "1", profile: null }, [])).toBe("Somebody");
  expect(nameOf({ id: "1", profile: "Ann" }, [])).toBe("Somebody");
  expect(hueOf("zzz")).toBe(0);
});

test("a name keeps what joins an emoji, and what Persian needs between letters, and nowhere else", () => {
  const [zwj, zwnj] = ["\u200d", "\u200c"];
  for (const name of ["👩‍👩‍👧", "🏳️‍🌈", "می‌خواهم", "Ann 👩‍🚀 می‌خواهم"]) {
    expect(/[\u200c\u200d]/u.test(name)).toBe(true);
    expect(tidy(name)).toBe(name);
  }
  expect(tidy(`${zwj}Ann${zwnj}`)).toBe("Ann");
  expect(tidy(`Ann ${zwj} Lee`)).toBe("Ann Lee");
  expect(tidy(`Ann${zwj} Lee`)).toBe("Ann Lee");
  expect(tidy(`A${zwj}${zwnj}${zwj}nn`)).toBe(`A${zwj}nn`);
  expect(tidy(`${zwj}${zwnj} ${zwj}`)).toBe("");
  expect(tidy(`A\u200b\u202e${zwj}nn`)).toBe("A nn");
  expect(tidy(`${"x".repeat(NICKNAME_MAX - 1)}${zwj}y`)).toBe("x".repeat(NICKNAME_MAX - 1));
  const member = (id: string, nickname: string) => ({ id, profile: { nickname } });
  const [ann, other] = [member("1234-5", "Ann"), member("6789-0", `A${zwj}nn`)];
  expect(nameOf(ann, [ann, other]), "what looks the same is told apart").toBe("Ann (1234)");
});

test("a member is known by its page, or by its id where it names none", () => {
  expect(pageOf({ id: "1", profile: { nickname: "Ann", page: "p" } })).toBe("p");
  for (const profile of [null, "p", {}, { page: 7 }, { page: "" }, { page: "p".repeat(65) }]) {
    expect(pageOf({ id: "1", profile })).toBe("1");
  }
});

test("a message is as old as its writer says, but not of tomorrow, nor older than five minutes", () => {
  const now = 1_000_000_000;
  const said = (at: unknown) => readSaid({ id: "a", text: "hi", at }) ?? { id: "", text: "" };
  expect(writtenAt(said(now - 60_000), now)).toBe(now - 60_000);
  expect(writtenAt(said(now + 1), now)).toBe(now);
  expect(writtenAt(said(0), now)).toBe(now - 300_000);
  for (const at of [undefined, "1", null, Number.NaN, Infinity]) expect(writtenAt(said(at), now)).toBe(now);
});

test("of a message is believed what is one", () => {
  expect(readSaid({ id: "a", text: "hi", more: 1 })).toEqual({ id: "a", text: "hi" });
  const picture = { bytes: Uint8Array.of(1), type: "image/png", width: 1, height: 1, name: "p" };
  expect(readSaid({ id: "a", text: "", picture })).toEqual({ id: "a", text: "", picture });
  const wrong: unknown[] = [
    null,
    "hi",
    { id: "", text: "hi" },
    { id: "a".repeat(65), text: "hi" },
    { id: "a", text: " " },
    { id: "a", text: "x".repeat(TEXT_MAX + 1) },
    { id: "a", text: "", picture: { ...picture, type: "image/svg+xml" } },
    { id: "a", text: "", picture: { ...picture, bytes: "1" } },
    { id: "a", text: "", picture: { ...picture, width: 0 } },
    { id: "a", text: "", picture: { ...picture, height: Number.NaN } },
  ];
  for (const value of wrong) expect(readSaid(value), JSON.stringify(value)?.slice(0, 60)).toBeUndefined();
});
