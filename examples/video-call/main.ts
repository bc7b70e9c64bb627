// A video call: the lobby, the call, and what comes behind it.

import { StreamError } from "browser-stream-server";
import { showConnection } from "../connection.ts";
import { dial, offer } from "../token.ts";
import { Call } from "./call.ts";
import { Capture } from "./capture.ts";
import { controls, keys } from "./controls.ts";
import { adviceOf } from "./crowd.ts";
import { offerDevices } from "./devices.ts";
import { Ear } from "./ear.ts";
import { Hall } from "./hall.ts";
import { readInvitation } from "./invitation.ts";
import { invite } from "./invite.ts";
import { lobby } from "./lobby.ts";
import { announce, element, say, show } from "./page.ts";
import { Stage } from "./stage.ts";
import { Talk } from "./talk.ts";

const LOOK_MS = 1000;
const LISTEN_MS = 100;

const room = readInvitation(location.hash);
history.replaceState(null, "", `${location.search}#${encodeURIComponent(room)}`);
addEventListener("hashchange", () => location.reload());

const mdm = dial();
const context = new AudioContext();
const capture = new Capture();
const ownEar = new Ear(context);
const stage = new Stage(capture, ownEar);
const relayOnly = element<HTMLInputElement>("relay-only");
let call: Call | undefined;
const talk = new Talk(() => call);

const hall: Hall = new Hall(mdm, room, () => say(element("lobby-crowd"), adviceOf(hall.people)));

showConnection(mdm);
show("lobby");
controls(capture);
keys(
  () => call !== undefined,
  () => talk.toggle(),
);
offerDevices(capture);
invite(room);
lobby(capture, ownEar, room, (nickname) => void enter(nickname));
capture.listen({
  changed: (source, isNew) => {
    call?.captured(source, isNew);
    if (call) stage.show(call);
  },
  problem: () => {},
});
relayOnly.checked = new URLSearchParams(location.search).has("relay");
relayOnly.addEventListener("change", () => {
  if (call) call.isRelayOnly = relayOnly.checked;
});
// Browsers let a page be heard once the person did something.
for (const event of ["pointerdown", "keydown"]) addEventListener(event, () => void context.resume(), { once: true });
element("leave").addEventListener("click", () => void leave());
element("rejoin").addEventListener("click", () => {
  show("lobby");
  void capture.begin();
  element("enter").focus();
});
element("open-settings").addEventListener("click", () => {
  element("settings-devices").append(element("devices"));
  element<HTMLDialogElement>("settings").showModal();
});
setInterval(() => {
  // What was measured too long ago is not shown, even where the next answer does not come.
  if (call) stage.show(call);
  void call?.measure().then(() => call && stage.show(call));
}, LOOK_MS);
setInterval(() => call && stage.listen(call), LISTEN_MS);
void capture.begin();

async function enter(nickname: string): Promise<void> {
  const button = element<HTMLButtonElement>("enter");
  button.disabled = true;
  say(button, "Joining");
  say(element("join-problem"), "");
  try {
    await context.resume();
    const options = { mdm, name: room, capture, context, nickname, isRelayOnly: relayOnly.checked };
    const changed = () => call && stage.show(call);
    call = await Call.join(options, {
      changed,
      heard: (person, text) => talk.hear(person, text),
      news: announce,
      over,
    });
    hall.isIn = true;
    show("call");
    stage.show(call);
    announce(`You are in the call, with ${call.peers.size} others`);
  } catch (error) {
    offer(error);
    say(element("join-problem"), `You could not join: ${StreamError.from(error).detail}. Try again.`);
  }
  button.disabled = false;
  say(button, "Join the call");
}

async function leave(): Promise<void> {
  const left = call?.leave();
  over("");
  await left;
}

/** Behind the call: why it is over, or nothing where we left. */
function over(why: string): void {
  call = undefined;
  hall.isIn = false;
  stage.close();
  talk.clear();
  capture.close();
  element("room-note").before(element("devices"));
  say(element("left-title"), why ? "The call is over" : "You left the call");
  say(element("left-why"), why || "Your camera and microphone are off. The others go on without you.");
  show("left");
  element("left-title").focus();
}
