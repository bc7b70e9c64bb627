// File exchange: one page, two roles. Without a code in the address it sends; with one it receives.

import { problemOf, readInvitation } from "./code.ts";
import { receive } from "./receive.ts";
import { send } from "./send.ts";

addEventListener("hashchange", () => location.reload());

const invitation = readInvitation(location.hash);
if (invitation) receive(invitation);
else send(location.hash.length > 1 ? problemOf(location.hash) : "");
