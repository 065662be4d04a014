// The panel that both faces show. A face brings a transport:
//   transport.run(settings, onEvent) -> { cancel() }     onEvent gets events.py's events as JSON
//   transport.settings(settings)                          told of every change of the controls

const DEBOUNCE_MS = 200;
const TYPING_MS = 600;
const SIDES = ["base", "point"];
const MAX_SEED = 2 ** 32;
let panels = 0;

/** An element with attributes, listeners (functions) and children. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const title = (name) => name.charAt(0).toUpperCase() + name.slice(1);
const short = (number) => String(Math.round(number * 100) / 100).replace("-", "\u2212");
const clamp = (value, [low, high]) => Math.min(high, Math.max(low, value));

/** A slider with a number field beside it. The field may go past the slider's ends. */
function slider({ id, label, symbol, range, step, value, whole = false, least = null, ticks = [], describe, change }) {
  const shown = (number) => (whole ? String(Math.round(number)) : Number(number).toFixed(2));
  const speak = (number) => (describe ? `${shown(number)}, ${describe(number)}` : shown(number));
  const range_ = h("input", {
    type: "range", id, min: range[0], max: range[1], step, value: clamp(value, range),
    "aria-label": label, "aria-valuetext": speak(value),
    input: () => { field.value = shown(range_.valueAsNumber); told(range_.valueAsNumber); },
  });
  const field = h("input", {
    type: "number", step: whole ? 1 : "any", min: least, value: shown(value), "aria-label": `${label}, as a number`,
    input: () => {
      const number = field.valueAsNumber;
      const valid = Number.isFinite(number) && field.checkValidity();
      field.toggleAttribute("aria-invalid", !valid);
      if (!valid) return;
      range_.value = number;
      told(number);
    },
    blur: () => { if (field.hasAttribute("aria-invalid")) set(Number(range_.value)); },
  });
  const told = (number) => { paint(number); change(number); };
  const paint = (number) => {
    range_.setAttribute("aria-valuetext", speak(number));
    const share = (clamp(number, range) - range[0]) / (range[1] - range[0]);
    range_.style.setProperty("--share", share);
  };
  const set = (number) => {
    field.removeAttribute("aria-invalid");
    range_.value = number;
    field.value = shown(number);
    paint(number);
  };
  paint(value);
  const scale = ticks.length
    ? h("div", { class: "ticks", "aria-hidden": "true" }, ...ticks.map(([at, text]) => {
        const tick = h("span", {}, text);
        tick.style.setProperty("--at", (at - range[0]) / (range[1] - range[0]));
        return tick;
      }))
    : "";
  const row = h("div", { class: "slider" },
    h("label", { for: id, title: label }, symbol), h("div", { class: "track" }, range_, scale), field);
  return { row, set, enable: (on) => { range_.disabled = field.disabled = !on; } };
}

/** The controls; `settings()` is what they say, `change(typing)` is called when they move. */
function controls(config, change) {
  const own = `contlm-${++panels}`;
  const first = config.settings;
  const state = {
    length: first.max_new_tokens, temperature: first.temperature, seed: first.seed, equal: true,
    of: Object.fromEntries(config.attributes.map((name) => [name, {
      on: name in first.alpha, alpha: first.alpha[name] ?? 1, lam: first.lam[name] ?? 0,
    }])),
  };
  const active = () => config.attributes.filter((name) => state.of[name].on);
  state.equal = active().every((name) => Math.abs(state.of[name].lam - 1 / active().length) < 1e-9);

  const prompt = h("textarea", { id: `${own}-prompt`, rows: 3, spellcheck: "false", input: () => change(true) });
  prompt.value = first.prompt;

  const cards = {};
  const share = () => {
    const names = active();
    for (const name of config.attributes) {
      const { on } = state.of[name];
      if (state.equal) state.of[name].lam = on ? 1 / names.length : 0;
      cards[name].refresh();
    }
    const sum = names.reduce((total, name) => total + state.of[name].lam, 0);
    equal.checked = state.equal;
    total.textContent = names.length ? `\u03a3\u03bb = ${short(sum)}` : "none on: the base model";
  };
  const equal = h("input", {
    type: "checkbox", id: `${own}-equal`, checked: state.equal,
    change: () => { state.equal = equal.checked; share(); change(); },
  });
  const total = h("span", { class: "sum" });

  for (const name of config.attributes) {
    const mine = state.of[name];
    const on = h("input", {
      type: "checkbox", id: `${own}-on-${name}`, checked: mine.on,
      change: () => { mine.on = on.checked; share(); change(); },
    });
    const touched = () => { mine.on = true; share(); change(); };
    const alpha = slider({
      id: `${own}-alpha-${name}`, label: `${title(name)} alpha`, symbol: "\u03b1", range: config.alpha_range, step: 0.05,
      value: mine.alpha, ticks: [[-1, "\u22121"], [0, "0 low"], [1, "1 high"], [2, "2"]],
      describe: (a) => (a < 0 || a > 1 ? "beyond the anchors" : a === 0 ? "the low end" : a === 1 ? "the high end" : "between"),
      change: (value) => { mine.alpha = value; touched(); },
    });
    const lam = slider({
      id: `${own}-lam-${name}`, label: `${title(name)} lambda, its share`, symbol: "\u03bb", range: config.lam_range, step: 0.01,
      value: mine.lam, change: (value) => { mine.lam = value; state.equal = false; touched(); },
    });
    const card = h("section", { class: "attribute", "data-attribute": name },
      h("label", { class: "switch", for: on.id }, on, title(name)), alpha.row, lam.row);
    card.querySelector(".track").classList.add("alpha");
    cards[name] = {
      card,
      refresh: () => {
        on.checked = mine.on;
        card.classList.toggle("off", !mine.on);
        lam.row.hidden = !mine.on;
        if (document.activeElement?.parentElement !== lam.row || state.equal) lam.set(mine.lam);
      },
      reset: () => alpha.set(mine.alpha),
    };
  }

  const longest = Math.min(200, config.context_length - 1);
  const length = slider({
    id: `${own}-length`, label: "Length in tokens", symbol: "Length", range: [1, longest], step: 1, whole: true, least: 1,
    value: state.length, change: (value) => { state.length = Math.round(value); change(); },
  });
  const temperature = slider({
    id: `${own}-temperature`, label: "Temperature", symbol: "Temperature", range: [0, 2], step: 0.05, least: 0,
    value: state.temperature, describe: (t) => (t === 0 ? "the likeliest token each time" : "sampled"),
    change: (value) => { state.temperature = value; change(); },
  });
  const seed = h("input", {
    type: "number", id: `${own}-seed`, min: 0, max: Number.MAX_SAFE_INTEGER, step: 1, value: state.seed,
    input: () => {
      const valid = seed.value !== "" && seed.checkValidity();
      seed.toggleAttribute("aria-invalid", !valid);
      if (valid) { state.seed = seed.valueAsNumber; change(true); }
    },
  });
  const draw = h("button", {
    type: "button", class: "quiet", title: "The same point with other random numbers",
    click: () => { state.seed = Math.floor(Math.random() * MAX_SEED); seed.value = state.seed; change(); },
  }, "New seed");
  const reset = h("button", {
    type: "button", class: "quiet", title: "The attributes as they were at the start",
    click: () => {
      for (const name of config.attributes) {
        Object.assign(state.of[name], { on: name in first.alpha, alpha: first.alpha[name] ?? 1, lam: first.lam[name] ?? 0 });
        cards[name].reset();
      }
      state.equal = true;
      share();
      change();
    },
  }, "Reset");

  const element = h("form", { class: "controls", "aria-label": "Controls", submit: (event) => event.preventDefault() },
    h("div", { class: "prompt" }, h("label", { for: prompt.id }, "Prompt"), prompt),
    h("div", { class: "heading" }, h("h2", {}, "Attributes"), total,
      h("label", { class: "switch small", for: equal.id }, equal, "equal \u03bb"), reset),
    h("div", { class: "attributes" }, ...config.attributes.map((name) => cards[name].card)),
    h("div", { class: "heading" }, h("h2", {}, "Sampling")),
    h("div", { class: "sampling" }, length.row, temperature.row,
      h("div", { class: "slider seed" }, h("label", { for: seed.id }, "Seed"), seed, draw)));
  share();

  return {
    element, prompt, active, state,
    settings() {
      const pick = (key) => Object.fromEntries(active().map((name) => [name, state.of[name][key]]));
      return {
        prompt: prompt.value, alpha: pick("alpha"), lam: state.equal ? null : pick("lam"),
        max_new_tokens: state.length, temperature: state.temperature, seed: state.seed,
      };
    },
  };
}

/** The two texts; the point's is marked from where it leaves the base's. */
function texts() {
  const parts = {};
  const article = (side, name) => {
    const id = `contlm-${panels}-${side}`;
    const where = h("span", { class: "where" });
    const spans = ["prompt", "same", "differs", "caret"].map((part) => h("span", { class: part }));
    const body = h("p", { class: "text", tabindex: "0" }, ...spans);
    parts[side] = { where, body, spans, text: "" };
    return h("article", { class: side, "aria-labelledby": id },
      h("header", {}, h("h2", { id }, h("i", { class: `mark ${side}` }), name), where), body);
  };
  const element = h("div", { class: "texts" }, article("base", "Base model"), article("point", "Your point"));
  const paint = () => {
    const [base, point] = SIDES.map((side) => parts[side].text);
    let at = 0;
    while (at < point.length && point[at] === base[at]) at++;
    // what is only shorter, because it is not written yet, does not differ; a word counts as a whole
    if (at < Math.min(base.length, point.length)) while (at > 0 && /\S/.test(point[at - 1])) at--;
    parts.base.spans[1].textContent = base;
    parts.point.spans[1].textContent = point.slice(0, at);
    parts.point.spans[2].textContent = point.slice(at);
  };
  return {
    element,
    begin(prompt, where) {
      for (const side of SIDES) {
        parts[side].text = "";
        parts[side].spans[0].textContent = prompt;
        parts[side].where.textContent = where[side];
      }
      paint();
    },
    add(pieces) {
      for (const side of SIDES) parts[side].text += pieces[side] ?? "";
      paint();
    },
    end(whole) {
      for (const side of SIDES) parts[side].text = whole[side];
      paint();
    },
    busy(state) {
      for (const side of SIDES) {
        parts[side].body.setAttribute("aria-busy", state === "writing");
        parts[side].body.dataset.state = state;
      }
    },
  };
}

/** What each classifier says of both texts: two numbers and two marks on one line. */
function scores(config) {
  if (!config.classifiers.length) return { element: "", show() {}, stale() {} };
  const rows = {};
  for (const name of config.classifiers) {
    const marks = SIDES.map((side) => h("i", { class: `mark ${side}` }));
    const values = SIDES.map((side) => h("td", { class: `value ${side}` }, "\u2013"));
    const bar = h("div", { class: "bar", "aria-hidden": "true" }, h("i", { class: "span" }), ...marks);
    const row = h("tr", { "data-classifier": name },
      h("th", { scope: "row" }, title(name)), values[0], h("td", { class: "line" }, bar), values[1]);
    rows[name] = { row, values, bar };
  }
  const body = h("tbody", {}, ...Object.values(rows).map(({ row }) => row));
  const element = h("section", { class: "scores" }, h("table", {},
    h("caption", {}, h("h2", {}, "Classifier scores"), h("small", {}, "of the new text; 0 is low, 1 is high")),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, h("span", { class: "unseen" }, "Attribute")),
      h("th", { scope: "col" }, "Base"), h("th", { class: "line", "aria-hidden": "true" }, h("span", {}, "0"), h("span", {}, "1")),
      h("th", { scope: "col" }, "Point"))), body));
  return {
    element,
    stale() { body.classList.add("stale"); },
    show(name, found) {
      body.classList.remove("stale");
      const { values, bar } = rows[name];
      SIDES.forEach((side, i) => {
        values[i].textContent = found[side] == null ? "?" : found[side].toFixed(2);
        bar.style.setProperty(`--${side}-at`, found[side] ?? 0);
      });
      bar.classList.add("known");
    },
  };
}

/** Light or dark as the page around is: a notebook's theme goes before the system's. */
function followTheme(root) {
  const apply = () => {
    const body = document.body.dataset;
    const jupyter = body.jpThemeLight;
    const kind = body.vscodeThemeKind ?? "";
    const theme = jupyter === "true" || kind.endsWith("light") ? "light" : jupyter === "false" || kind.includes("dark") ? "dark" : "";
    root.dataset.theme = theme;
  };
  apply();
  const observer = new MutationObserver(apply);
  observer.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind"] });
  return () => observer.disconnect();
}

/** Puts a panel into `root` and starts; returns a function that takes it out of work again. */
export function mount(root, config, transport) {
  let running = null, timer = null, fresh = false, code = "";
  const view = controls(config, (typing = false) => schedule(typing ? TYPING_MS : DEBOUNCE_MS));
  const written = texts();
  const judged = scores(config);
  const status = h("p", { class: "status", role: "status" });
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const go = h("button", { type: "button", class: "go", click: () => (running || timer ? stop("Stopped") : start()) }, "Run");
  const copy = h("button", { type: "button", class: "quiet", disabled: true, click: () => copyCode() }, "Copy as Python");

  const say = (state, text) => {
    status.dataset.state = state;
    status.textContent = text;
    go.textContent = state === "writing" || state === "waiting" ? "Stop" : "Run";
    written.busy(state);
  };
  const cancel = () => {
    clearTimeout(timer);
    timer = null;
    running?.cancel();
    running = null;
  };
  const stop = (why) => { cancel(); say("idle", why); };
  const schedule = (delay) => {
    cancel();
    transport.settings(view.settings());
    say("waiting", "Waiting\u2026");
    timer = setTimeout(start, delay);
  };
  const start = () => {
    cancel();
    const settings = view.settings();
    problem.hidden = true;
    fresh = true;
    copy.disabled = true;
    judged.stale();
    say("writing", "Writing\u2026");
    const mine = transport.run(settings, (event) => { if (running === mine) show(event, settings); });
    running = mine;
  };
  // the old text stays, paler, until there is a new one, so that nothing jumps
  const clearOnce = (settings) => {
    if (!fresh) return;
    fresh = false;
    const names = view.active();
    const where = names.map((name) => `${name} ${short(settings.alpha[name])}`).join(" \u00b7 ");
    written.begin(settings.prompt, { base: "no adapters", point: where || "the base model" });
    written.busy("writing");
  };
  const show = (event, settings) => {
    if (event.kind === "text") {
      clearOnce(settings);
      written.add(event.pieces);
    } else if (event.kind === "scores") {
      judged.show(event.attribute, event.scores);
    } else if (event.kind === "done") {
      clearOnce(settings);
      written.end(event.texts);
      code = event.code;
      copy.disabled = false;
      running = null;
      const { new_tokens, tokens_per_s, mode } = event.stats;
      say("idle", `${new_tokens} tokens, ${Math.round(tokens_per_s)} tokens/s, ${mode}`);
    } else if (event.kind === "error") {
      running = null;
      problem.textContent = event.message;
      problem.hidden = false;
      say("error", "Stopped by an error");
      if (fresh) written.busy("waiting"); // what stands there is of an earlier point
    }
  };
  const copyCode = async () => {
    try {
      await navigator.clipboard.writeText(code);
      status.textContent = "Copied";
    } catch {
      problem.textContent = code;
      problem.hidden = false;
    }
  };

  const panel = h("div", { class: "panel", keydown: (event) => {
      if (event.key === "Escape" && (running || timer)) stop("Stopped");
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); start(); }
    } },
    h("header", { class: "top" },
      h("h1", {}, "contlm ", h("b", {}, "explore")), h("span", { class: "model" }, `${config.model}, ${config.precision}`), status, copy, go),
    h("main", {}, view.element, h("div", { class: "results" }, problem, written.element, judged.element)));
  root.classList.add("contlm-explore");
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab's, which would take keys from the sliders
  root.replaceChildren(panel);
  const forget = followTheme(root);
  start();
  return () => { forget(); cancel(); root.replaceChildren(); };
}
