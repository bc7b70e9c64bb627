// Pictures: one page, two roles. `/examples/send-image/?name=NAME` shows what comes, under a name of its own if there is none; `?to=NAME` sends to it.

import { connect } from "./send.ts";
import { serve } from "./serve.ts";

const { to, name } = Object.fromEntries(new URLSearchParams(location.search));

if (to) connect(to);
else serve(name || `pictures-${Math.floor(Math.random() * 900_000) + 100_000}`);
