// The page: a terminal, its connection to the session, and what a browser adds (clipboard, links, files, speech).
import { Terminal } from "/static/xterm.mjs";
import { WebglAddon } from "/static/addon-webgl.mjs";
import { Unicode11Addon } from "/static/addon-unicode11.mjs";

const $ = (id) => document.getElementById(id);
const nonce = $("script").nonce;

// The policy of the page forbids inline styles. What xterm.js writes into elements is allowed when a nonce or the
// object model does it.
const createElement = document.createElement.bind(document);
document.createElement = (name, options) => {
  const element = createElement(name, options);
  if (String(name).toLowerCase() === "style") element.nonce = nonce;
  return element;
};
const setAttribute = Element.prototype.setAttribute;
Element.prototype.setAttribute = function (name, value) {
  if (name === "style") this.style.cssText = value;
  else setAttribute.call(this, name, value);
};

const FONT = '"DejaVu Sans Mono Web", ui-monospace, Menlo, Consolas, monospace';
const FONT_SIZE = 14;
const LEAST_FONT = 5;
const MOST_SENT = 16 * 1024; // characters of one message
const MOST_COPIED = 1 << 20;
const RETRY_MS = [250, 500, 1000, 2000, 4000];
const BACK_MS = 10 * 60 * 1000;
const NOTE_MS = 20000;
const [REFUSED, TOO_MANY, NOT_STARTED] = [4401, 4429, 4500];
const FUNCTION_KEYS = {
  F1: "\x1bOP", F2: "\x1bOQ", F3: "\x1bOR", F4: "\x1bOS", F5: "\x1b[15~", F6: "\x1b[17~", F7: "\x1b[18~",
  F8: "\x1b[19~", F9: "\x1b[20~", F10: "\x1b[21~", F11: "\x1b[23~", F12: "\x1b[24~",
};
const ALTERNATIVES = {
  KeyW: "\x17", KeyT: "\x14", KeyN: "\x0e", KeyV: "\x16", Digit1: FUNCTION_KEYS.F1, Digit2: FUNCTION_KEYS.F2,
  Digit3: FUNCTION_KEYS.F3, Digit4: FUNCTION_KEYS.F4, Digit5: FUNCTION_KEYS.F5, Digit6: FUNCTION_KEYS.F6,
  Digit7: FUNCTION_KEYS.F7, Digit8: FUNCTION_KEYS.F8, Digit9: FUNCTION_KEYS.F9, Digit0: FUNCTION_KEYS.F10,
  Minus: FUNCTION_KEYS.F11, Equal: FUNCTION_KEYS.F12,
};
const LEFT_TO_BROWSER = new Set(["F5", "F11", "F12"]);

const key = {
  get: () => localStorage.getItem("sandtui-key") || "",
  set: (value) => localStorage.setItem("sandtui-key", value),
};
const tab = sessionStorage.getItem("sandtui-tab") || crypto.randomUUID();
sessionStorage.setItem("sandtui-tab", tab);

const terminal = new Terminal({
  allowProposedApi: true, cursorBlink: false, customGlyphs: true, fontFamily: FONT, fontSize: FONT_SIZE,
  macOptionIsMeta: true, scrollback: 0, theme: { background: "#16181d", foreground: "#d8dbe2" },
  linkHandler: { activate: (_, address) => openPage(address), allowNonHttpProtocols: false },
});
let socket = null;
let owns = false;
let over = false;
let tries = 0;
let lostAt = 0;

// Cards: what the page says when the terminal cannot

function card(title, text, choices, { login = false } = {}) {
  $("title").textContent = title;
  $("text").textContent = text;
  $("login").hidden = !login;
  $("choices").replaceChildren(...choices.map(([label, act]) => {
    const button = createElement("button");
    button.type = "button";
    button.textContent = label;
    button.onclick = act;
    return button;
  }));
  $("card").hidden = false;
  const first = login ? $("password") : $("choices").querySelector("button");
  if (first) first.focus();
  else terminal.blur();
}

function closeCard() {
  $("card").hidden = true;
  $("choices").replaceChildren();
  terminal.focus();
}

function note(text, { link = "", name = "", button = "", act = null } = {}) {
  const line = createElement("p");
  line.append(text);
  if (link) {
    const anchor = createElement("a");
    anchor.href = link;
    anchor.textContent = name || link;
    if (name) anchor.download = name;
    else [anchor.target, anchor.rel] = ["_blank", "noopener noreferrer"];
    anchor.onclick = () => setTimeout(() => line.remove());
    line.append(anchor);
  }
  if (button) {
    const press = createElement("button");
    press.type = "button";
    press.textContent = button;
    press.onclick = () => { line.remove(); act(); terminal.focus(); };
    line.append(press);
  }
  $("notes").append(line);
  while ($("notes").children.length > 5) $("notes").firstChild.remove();
  setTimeout(() => line.remove(), NOTE_MS);
}

function say(text, urgent) {
  const region = $(urgent ? "urgent" : "polite");
  region.textContent = "";
  requestAnimationFrame(() => { region.textContent = text; });
}

// Log-in

async function logIn(secret) {
  const response = await fetch("/login", { method: "POST", body: JSON.stringify({ secret, key: key.get() }) });
  const found = await response.json().catch(() => ({ text: "The server did not answer." }));
  if (response.ok) key.set(found.key);
  return response.ok ? "" : found.text;
}

async function askToLogIn(text) {
  const { password } = await (await fetch("/login")).json();
  if (!password) {
    card("Not logged in", `${text} Press Enter where \`sandtui web\` runs, and open the address that it prints.`, []);
    return;
  }
  const submit = async () => {
    const problem = await logIn($("password").value);
    $("password").value = "";
    if (problem) { $("text").textContent = problem; $("password").focus(); } else { closeCard(); connect(); }
  };
  $("login").onsubmit = (event) => { event.preventDefault(); submit(); };
  card("Log in", text, [["Log in", submit]], { login: true });
}

// The connection

function send(message) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(message);
}

function type(text) {
  if (!owns) return;
  const bytes = new TextEncoder().encode(text);
  for (let start = 0; start < bytes.length; start += MOST_SENT) send(bytes.subarray(start, start + MOST_SENT));
}

function connect(as = "") {
  over = false;
  if (socket) {
    [socket.onmessage, socket.onclose] = [null, null];
    socket.close();
  }
  const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/session`;
  const own = socket = new WebSocket(address);
  let greeted = false;
  own.binaryType = "arraybuffer";
  own.onopen = () => {
    const [columns, lines] = fitting();
    own.send(JSON.stringify({ key: key.get(), tab, columns, lines, as }));
  };
  own.onmessage = (event) => {
    greeted = true;
    if (typeof event.data === "string") heard(JSON.parse(event.data));
    else terminal.write(new Uint8Array(event.data), painted);
  };
  own.onclose = (event) => { if (own === socket && !over) lost(event, greeted); };
}

async function lost(event, greeted) {
  owns = false;
  if (event.code === REFUSED) return askToLogIn(event.reason);
  if (event.code === TOO_MANY || event.code === NOT_STARTED) {
    return card("Not shown", event.reason, [["Try again", () => { closeCard(); connect(); }]]);
  }
  lostAt = lostAt || Date.now();
  if (!greeted && await isLoggedOut()) return askToLogIn("This browser is not logged in.");
  if (Date.now() - lostAt > BACK_MS) {
    return card("The connection was lost", "The server does not answer.", [["Try again", () => location.reload()]]);
  }
  if (tries === 2) card("Reconnecting…", "The connection was lost. The session goes on for ten minutes.", []);
  setTimeout(() => { if (!over) connect(); }, RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)]);
}

async function isLoggedOut() {
  // A refused socket looks like a lost one; the server says which it is.
  try {
    return (await fetch("/login")).ok && (await fetch("/whoami", { method: "POST" })).status === 401;
  } catch {
    return false;
  }
}

function heard(message) {
  const take = ["Take over", () => { closeCard(); connect("take"); }];
  const watch = ["Watch", () => { closeCard(); connect("watch"); }];
  if (message.type === "attached") {
    [owns, tries, lostAt] = [message.owns, 0, 0];
    $("terminal").classList.toggle("watching", !owns);
    closeCard();
    arrange(message.columns, message.lines);
    if (!owns) note("Watching: keys of this tab do nothing.", { button: "Take over", act: take[1] });
    else if (!localStorage.getItem("sandtui-told")) {
      localStorage.setItem("sandtui-told", "1");
      note("alt+shift+k: keys and help of this page");
    }
  } else if (message.type === "size") {
    arrange(message.columns, message.lines);
  } else if (message.type === "ask") {
    const answer = (as) => () => { $("card").hidden = true; send(JSON.stringify({ as })); };
    card("Another tab has this session", "Take it over, or watch what is done there?",
      [["Take over", answer("take")], ["Watch", answer("watch")]]);
  } else if (message.type === "taken" || message.type === "replaced") {
    [over, owns] = [true, false];
    card("Another tab has taken over", "The session goes on there.", [take, watch]);
  } else if (message.type === "ended") {
    // The server has said why already.
    if (over) return;
    [over, owns] = [true, false];
    const again = message.last ? [] : [["Start again", () => { closeCard(); terminal.reset(); connect(); }]];
    const text = message.code ? `It ended with exit code ${message.code}.` : "Sandboxes keep running.";
    card("Goodbye", `sandtui has ended. ${text} This tab can be closed.`, again);
  } else if (message.type === "stopped") {
    [over, owns] = [true, false];
    card("Goodbye", `${message.text} This tab can be closed.`, []);
  } else if (message.type === "open") {
    openPage(message.url);
  } else if (message.type === "say") {
    say(message.text, message.urgent);
  } else if (message.type === "save") {
    note("Copied. Save with the browser too: ", { link: `/save/${message.id}`, name: message.name });
  }
}

// The terminal

function cells() {
  // As xterm.js' own addon for this does: there is no other way to learn the size of a cell.
  const { width, height } = terminal._core._renderService.dimensions.css.cell;
  return width ? [width, height] : [FONT_SIZE * 0.602, FONT_SIZE * 1.17];
}

function fitting() {
  const [width, height] = cells();
  const scale = FONT_SIZE / terminal.options.fontSize;
  return [Math.floor(innerWidth / (width * scale)), Math.floor(innerHeight / (height * scale))];
}

function arrange(columns, lines) {
  if (terminal.cols !== columns || terminal.rows !== lines) terminal.resize(columns, lines);
  if (owns) {
    if (terminal.options.fontSize !== FONT_SIZE) terminal.options.fontSize = FONT_SIZE;
  } else {
    // A watcher sees the whole screen of another window.
    const [width, height] = cells();
    const scale = Math.min(innerWidth / (width * columns), innerHeight / (height * lines));
    terminal.options.fontSize = Math.max(LEAST_FONT, Math.floor(terminal.options.fontSize * scale));
  }
}

function resized() {
  if (owns) {
    const [columns, lines] = fitting();
    send(JSON.stringify({ type: "size", columns, lines }));
  } else {
    arrange(terminal.cols, terminal.rows);
  }
}

function painted() {
  document.documentElement.dataset.frames = Number(document.documentElement.dataset.frames || 0) + 1;
}

function pressed(event) {
  if (event.type !== "keydown") return true;
  const isPaste = (event.ctrlKey || event.metaKey) && event.code === "KeyV" && !event.altKey;
  if (isPaste || (event.shiftKey && event.key === "Insert")) return false;
  if (event.ctrlKey && event.shiftKey && event.code === "KeyC" && terminal.hasSelection()) {
    copy(terminal.getSelection());
    event.preventDefault();
    return false;
  }
  if (event.altKey && event.shiftKey && event.code === "KeyK") {
    toggleKeys();
    event.preventDefault();
    return false;
  }
  if (event.altKey && event.shiftKey && !event.ctrlKey && ALTERNATIVES[event.code]) {
    type(ALTERNATIVES[event.code]);
    event.preventDefault();
    return false;
  }
  return !LEFT_TO_BROWSER.has(event.key);
}

// What a browser adds

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    note("Copied text for the clipboard", { button: "Copy", act: () => navigator.clipboard.writeText(text) });
  }
}

function copied(value) {
  const encoded = value.slice(value.indexOf(";") + 1);
  // What the clipboard holds is never told to the program.
  if (!owns || encoded === "?" || encoded.length > MOST_COPIED) return true;
  try {
    copy(new TextDecoder().decode(Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0))));
  } catch { /* not base64 */ }
  return true;
}

function pasted(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
  // Control characters could end a bracketed paste: what follows would count as typed.
  terminal.paste(event.clipboardData.getData("text/plain").replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g, ""));
}

function openPage(address) {
  if (!/^https?:\/\//i.test(address)) return;
  const active = navigator.userActivation ? navigator.userActivation.isActive : true;
  // With noopener, the result does not tell whether it was blocked.
  if (active) window.open(address, "_blank", "noopener,noreferrer");
  else note("Open ", { link: address });
}

async function dropped(event) {
  event.preventDefault();
  $("drop").hidden = true;
  if (!owns) return;
  for (const file of event.dataTransfer.files) {
    const response = await fetch(`/drop?name=${encodeURIComponent(file.name)}`, {
      method: "POST", body: file, headers: { "x-sandtui-key": key.get(), "x-sandtui-tab": tab },
    }).catch(() => null);
    if (!response || !response.ok) {
      const found = response ? await response.json().catch(() => ({})) : {};
      note(`${file.name} was not uploaded: ${found.text || "it could not be read, or the connection was lost"}`);
    }
  }
  terminal.focus();
}

function toggleKeys() {
  const panel = $("keys");
  panel.hidden = !panel.hidden;
  $("keys-button").setAttribute("aria-expanded", String(!panel.hidden));
  if (panel.hidden) terminal.focus();
  else panel.querySelector("button").focus();
}

function begin() {
  terminal.loadAddon(new Unicode11Addon());
  terminal.unicode.activeVersion = "11";
  terminal.open($("terminal"));
  try {
    const webgl = new WebglAddon();
    webgl.onContextLoss(() => webgl.dispose());
    terminal.loadAddon(webgl);
  } catch { /* drawn with elements instead */ }
  terminal.onData(type);
  terminal.onBinary((text) => { if (owns) send(Uint8Array.from(text, (letter) => letter.charCodeAt(0) & 255)); });
  terminal.onTitleChange((title) => { document.title = title || "sandtui"; });
  terminal.parser.registerOscHandler(52, copied);
  terminal.attachCustomKeyEventHandler(pressed);
  $("terminal").addEventListener("paste", pasted, { capture: true });
  addEventListener("resize", resized);
  addEventListener("dragover", (event) => { event.preventDefault(); if (owns) $("drop").hidden = false; });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("drop").hidden = true; });
  addEventListener("drop", dropped);
  $("keys-button").onclick = toggleKeys;
  $("keys").onkeydown = (event) => { if (event.key === "Escape") toggleKeys(); };
  $("reader").checked = localStorage.getItem("sandtui-reader") === "1";
  $("reader").onchange = () => {
    terminal.options.screenReaderMode = $("reader").checked;
    localStorage.setItem("sandtui-reader", $("reader").checked ? "1" : "0");
  };
  terminal.options.screenReaderMode = $("reader").checked;
  const buttons = { esc: "\x1b", tab: "\t", "ctrl+c": "\x03", "ctrl+w": "\x17", "ctrl+t": "\x14", "ctrl+n": "\x0e",
    "ctrl+v": "\x16", ...FUNCTION_KEYS };
  $("key-buttons").replaceChildren(...Object.entries(buttons).map(([label, bytes]) => {
    const button = createElement("button");
    button.type = "button";
    button.textContent = label;
    button.onclick = () => { type(bytes); terminal.focus(); };
    return button;
  }));
}

// What the terminal shows, for tests and scripts.
window.sandtuiShown = () => {
  const buffer = terminal.buffer.active;
  return Array.from({ length: terminal.rows }, (_, line) => {
    const found = buffer.getLine(buffer.viewportY + line);
    return found ? found.translateToString(true) : "";
  }).join("\n");
};

async function main() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  // Not in the history, not in a bookmark.
  if (token) history.replaceState(null, "", "/");
  await Promise.allSettled([document.fonts.load(`${FONT_SIZE}px ${FONT}`), document.fonts.load(`bold ${FONT_SIZE}px ${FONT}`)]);
  begin();
  if (token) {
    const problem = await logIn(token);
    if (problem && !key.get()) return askToLogIn(problem);
  }
  if (!key.get()) return askToLogIn("This browser is not logged in.");
  connect();
}

main();
