// Ping-pong: one page, two roles. `/examples/ping-pong/` answers; `/examples/ping-pong/?with=NAME` plays with it.

import { play } from "./play.ts";
import { serve } from "./serve.ts";

const name = new URLSearchParams(location.search).get("with");

if (name) play(name);
else serve(`ping-pong-${Math.floor(Math.random() * 900_000) + 100_000}`);
