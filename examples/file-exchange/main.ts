// File exchange: one page, two roles. Without a code in the address it sends; with one it receives.

import { readCode } from "./code.ts";
import { receive } from "./receive.ts";
import { send } from "./send.ts";

addEventListener("hashchange", () => location.reload());

const code = readCode(location.hash);
if (code) receive(code);
else send(location.hash.length > 1);
