// File exchange: one page, two roles. With nothing behind the address's # it sends; else it receives, or says what is wrong with the link.

import { readInvitation } from "./code.ts";
import { sayCut } from "./cut.ts";
import { receive } from "./receive.ts";
import { send } from "./send.ts";

addEventListener("hashchange", () => location.reload());

const invitation = readInvitation(location.hash);
if (invitation) receive(invitation);
else if (location.hash.length > 1) sayCut(location.hash);
else send();
