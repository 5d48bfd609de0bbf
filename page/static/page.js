// The shell's part: hands the reader's token to the component, and keeps or forgets it as the component says.

import { keep, takeFromAddress, token } from "./token.js";
import "./data-retention.js";

const view = document.querySelector("data-retention");
view.token = token();

addEventListener("hashchange", () => {
  const taken = takeFromAddress();
  if (taken) view.token = taken;
});

// The reader typed a token into the component's form.
view.addEventListener("token-entered", (event) => {
  keep(event.detail.token);
  view.token = event.detail.token;
});

// The API refused the token: the next visit in this tab must not begin with it.
view.addEventListener("token-refused", () => keep(null));

view.addEventListener("workspace", (event) => {
  document.title = `Data retention · ${event.detail.name}`;
});
