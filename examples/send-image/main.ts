// Pictures: one page, two roles. `/examples/send-image/` shows what comes; `/examples/send-image/?to=NAME` sends to it.

import { connect } from "./send.ts";
import { serve } from "./serve.ts";

const name = new URLSearchParams(location.search).get("to");

if (name) connect(name);
else serve(`pictures-${Math.floor(Math.random() * 900_000) + 100_000}`);
