// Echo: one page, two roles. `/examples/echo/` serves a name; `/examples/echo/?connect=NAME` is a client of it.

import { connect } from "./connect.ts";
import { serve } from "./serve.ts";

const parameters = new URLSearchParams(location.search);
const name = parameters.get("connect");

if (name) connect(name);
else serve(parameters.get("name") ?? `echo-${Math.floor(Math.random() * 9000) + 1000}`);
