// The tab that connects: sends lines, shows what comes back and how long it took.

import { type MuxDemux, type Stream, StreamClient } from "browser-stream-server";
import { dial, given, offer } from "../token.ts";
import { button, code, duration, element, explain, follow, nameOnPage, prefix, show, tell } from "./page.ts";

const view = element("client");
const talk = element("talk");
const lines = element("lines");
const field = element<HTMLInputElement>("message");
const WAITS = "It waits up to two seconds for a tab that serves this name.";
const UNANSWERED = "The proxy does not answer. This tab goes on trying, for 17 seconds in all.";
const sentAt: number[] = []; // of the lines that are on their way, oldest first

export function connect(name: string): void {
  const mdm = dial();
  follow(mdm, (isAway) => {
    element("kept").hidden = !isAway;
    element("waits").textContent = isAway ? UNANSWERED : WAITS;
  });
  nameOnPage(name, `Talking to ${name}`);
  element<HTMLAnchorElement>("open-server").href = `?name=${encodeURIComponent(name)}`;
  button("again", () => void converse(mdm, name));
  void converse(mdm, name);
}

/** One stream from its start to its end. */
async function converse(mdm: MuxDemux, name: string): Promise<void> {
  const cancel = new AbortController();
  tell("working", "Connecting");
  show(view, "working", "cancel-connect");
  button("cancel-connect", () => cancel.abort());
  try {
    const stream = StreamClient(mdm, { prefix }).connect(name, { encoding: "utf8", signal: cancel.signal });
    receive(stream);
    await stream.opened;
    tell("good", "Connected");
    show(view, lines.childElementCount ? "talking" : "empty", "message");
    send(stream);
    await stream.closed;
    end("idle", "Finished", "Both sides finished.");
  } catch (error) {
    if (await given()) return converse(mdm, name);
    offer(error);
    end("bad", code(error) === "lost" ? "Connection lost" : "Not connected", explain(error));
  }
}

function send(stream: Stream): void {
  const form = field.form as HTMLFormElement;
  form.onsubmit = (event) => {
    event.preventDefault();
    if (!field.value) return;
    sentAt.push(performance.now());
    stream.write(`${field.value}\n`);
    say("mine", field.value, "you");
    show(view, "talking", "message");
    field.value = "";
  };
  button("finish", () => stream.end());
}

/** Cuts what comes back into the lines that were sent: a stream has no messages, only bytes in order. */
function receive(stream: Stream): void {
  let rest = "";
  sentAt.length = 0;
  stream.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const time = performance.now() - (sentAt.shift() ?? performance.now());
      say("theirs", line, `back after ${duration(time)}`);
    }
  });
}

function say(whose: "mine" | "theirs", text: string, note: string): void {
  const line = document.createElement("bdi");
  const small = document.createElement("small");
  const item = document.createElement("li");
  line.textContent = text;
  small.textContent = note;
  item.className = whose;
  item.append(line, small);
  lines.append(item);
  talk.scrollTop = talk.scrollHeight;
}

function end(state: "idle" | "bad", title: string, text: string): void {
  tell(state, title);
  element("end").textContent = text;
  show(view, state === "bad" ? "failed" : "ended", "again");
}
