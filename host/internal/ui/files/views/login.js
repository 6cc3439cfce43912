// The way in: the one-time link brings its own code, everybody else a token.

import { h } from "../dom.js";
import { enter, state } from "../store.js";

export function login() {
  const submit = (e) => {
    e.preventDefault();
    const field = e.currentTarget.elements.token;
    const token = field.value.trim();
    field.value = "";
    if (token) enter({ token });
  };
  return h("main", { key: "login", class: "login", id: "main" },
    h("h1", {}, "taskhost"),
    h("p", {}, state.loaded ? "Your session has ended, as it does when the host is restarted. Log in again to go on where you were." : "Log in with a token of the host."),
    h("form", { on: { submit } },
      h("label", {}, "Token", h("input", { type: "password", name: "token", autocomplete: "off", required: true, autofocus: true, spellcheck: false })),
      h("p", { class: "error", role: "alert" }, state.loginError),
      h("button", { type: "submit", class: "main" }, "Log in")),
    h("p", { class: "faint" }, "The host's own token stands in ", h("code", {}, "admin.token"), " in its data_dir. At a terminal, ",
      h("code", {}, "taskhost serve"), " prints a link that logs in by itself."));
}
