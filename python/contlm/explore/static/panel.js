// The panel that both faces show. A face brings a transport:
//   transport.run(settings, onEvent) -> { cancel() }     onEvent gets events.py's events as JSON
//   transport.settings(settings)                          told of every change of the controls

const DEBOUNCE_MS = 200;
const TYPING_MS = 600;
const SIDES = ["base", "point"];
const MAX_SEED = 2 ** 32;
const MAX_PINS = 2;
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
const round = (number) => (number < 10 ? number.toFixed(1) : Math.round(number).toLocaleString("en"));
/** A point in words, lambdas too. */
const exact = ({ alpha, lam }) => Object.keys(alpha)
  .map((name, _, all) => `${name} \u03b1 ${short(alpha[name])} \u03bb ${short(lam?.[name] ?? 1 / all.length)}`).join(" \u00b7 ") || "the base model";
const clamp = (value, [low, high]) => Math.min(high, Math.max(low, value));

/** A slider with a number field beside it. The field may go past the slider's ends, to `least` and `most`. */
function slider({ id, label, symbol, range, step, value, whole = false, least = null, most = null, ticks = [], describe, change, refuse }) {
  let standing = value;
  const shown = (number) => (whole ? String(Math.round(number)) : Number(number).toFixed(2));
  const speak = (number) => (describe ? `${shown(number)}, ${describe(number)}` : shown(number));
  const range_ = h("input", {
    type: "range", id, min: range[0], max: range[1], step, value: clamp(value, range),
    "aria-label": label, "aria-valuetext": speak(value),
    input: () => { field.value = shown(range_.valueAsNumber); told(range_.valueAsNumber); },
  });
  const field = h("input", {
    type: "number", step: whole ? 1 : "any", min: least, max: most, value: shown(value), "aria-label": `${label}, as a number`,
    input: () => {
      const number = field.valueAsNumber;
      const valid = Number.isFinite(number) && field.checkValidity();
      field.toggleAttribute("aria-invalid", !valid);
      if (!valid) return;
      range_.value = number;
      told(number);
    },
    blur: () => {
      if (!field.hasAttribute("aria-invalid")) return;
      set(standing);
      const bounds = [least != null && `at least ${least}`, most != null && `at most ${most}`].filter(Boolean);
      refuse(`${label}: must be ${[whole ? "a whole number" : "a finite number", ...bounds].join(", ")}; it stays ${shown(standing)}`);
    },
  });
  const told = (number) => { paint(number); change(number); };
  const paint = (number) => {
    standing = number;
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
  return { row, set };
}

/** The controls; `settings()` is what they say and `restore(settings)` moves them there. `change(typing)` is called when they
 * move, `refuse(message)` when a number cannot be taken. */
function controls(config, change, refuse) {
  const own = `contlm-${++panels}`;
  const first = config.settings;
  const { max_new_tokens, temperature, top_p, seed: seed_, samples } = first;
  const state = {
    numbers: { max_new_tokens, temperature, top_p, seed: seed_, samples }, equal: true,
    of: Object.fromEntries(config.attributes.map((name) => [name, {
      on: name in first.alpha, alpha: first.alpha[name] ?? 1, lam: first.lam[name] ?? 0,
    }])),
  };
  const active = () => config.attributes.filter((name) => state.of[name].on);
  const shares = () => active().every((name) => Math.abs(state.of[name].lam - 1 / active().length) < 1e-9);
  state.equal = shares();

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
      change: (value) => { mine.alpha = value; touched(); }, refuse,
    });
    const lam = slider({
      id: `${own}-lam-${name}`, label: `${title(name)} lambda, its share`, symbol: "\u03bb", range: config.lam_range, step: 0.01,
      value: mine.lam, change: (value) => { mine.lam = value; state.equal = false; touched(); }, refuse,
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

  const number = (key, symbol, options) => slider({
    id: `${own}-${key}`, symbol, label: symbol, value: state.numbers[key],
    change: (value) => { state.numbers[key] = options.whole ? Math.round(value) : value; change(); }, refuse, ...options,
  });
  const longest = Math.min(200, config.context_length - 1);
  const sliders = {
    max_new_tokens: number("max_new_tokens", "Length", { label: "Length in tokens", range: [1, longest], step: 1, whole: true, least: 1 }),
    temperature: number("temperature", "Temperature", {
      range: [0, 2], step: 0.05, least: 0, describe: (t) => (t === 0 ? "the likeliest token each time" : "sampled"),
    }),
    top_p: number("top_p", "Top-p", {
      range: [0.05, 1], step: 0.05, least: 0.001, most: 1,
      describe: (p) => (p === 1 ? "all tokens" : "the likeliest tokens"),
    }),
    samples: number("samples", "Samples", {
      label: "Samples that scores are means of", range: [1, config.max_samples], step: 1, whole: true, least: 1, most: config.max_samples,
    }),
  };
  sliders.samples.row.hidden = !config.classifiers.length;
  const seed = h("input", {
    type: "number", id: `${own}-seed`, min: 0, max: Number.MAX_SAFE_INTEGER, step: 1, value: state.numbers.seed,
    input: () => {
      const valid = seed.value !== "" && seed.checkValidity();
      seed.toggleAttribute("aria-invalid", !valid);
      if (valid) { state.numbers.seed = seed.valueAsNumber; change(true); }
    },
    blur: () => {
      if (!seed.hasAttribute("aria-invalid")) return;
      seed.removeAttribute("aria-invalid");
      seed.value = state.numbers.seed;
      refuse(`Seed: must be a whole number, at least 0, at most ${seed.max}; it stays ${seed.value}`);
    },
  });
  const draw = h("button", {
    type: "button", class: "quiet", title: "The same point with other random numbers",
    click: () => { seed.value = state.numbers.seed = Math.floor(Math.random() * MAX_SEED); change(); },
  }, "New seed");
  const reset = h("button", {
    type: "button", class: "quiet", title: "The attributes as they were at the start",
    click: () => { moveTo(first); change(); },
  }, "Reset");

  const moveTo = ({ alpha, lam }) => {
    for (const name of config.attributes) {
      Object.assign(state.of[name], { on: name in alpha, alpha: alpha[name] ?? 1, lam: lam?.[name] ?? 0 });
      cards[name].reset();
    }
    state.equal = lam === null || shares();
    share();
  };

  const element = h("form", { class: "controls", "aria-label": "Controls", submit: (event) => event.preventDefault() },
    h("div", { class: "prompt" }, h("label", { for: prompt.id }, "Prompt"), prompt),
    h("div", { class: "heading" }, h("h2", {}, "Attributes"), total,
      h("label", { class: "switch small", for: equal.id }, equal, "equal \u03bb"), reset),
    h("div", { class: "attributes" }, ...config.attributes.map((name) => cards[name].card)),
    h("div", { class: "heading" }, h("h2", {}, "Sampling")),
    h("div", { class: "sampling" }, ...Object.values(sliders).map(({ row }) => row),
      h("div", { class: "slider seed" }, h("label", { for: seed.id }, "Seed"), seed, draw)));
  share();

  return {
    element, active,
    settings() {
      const pick = (key) => Object.fromEntries(active().map((name) => [name, state.of[name][key]]));
      return {
        prompt: prompt.value, alpha: pick("alpha"), lam: state.equal ? null : pick("lam"),
        ...state.numbers,
      };
    },
    restore(settings) {
      prompt.value = settings.prompt;
      for (const key of Object.keys(state.numbers)) {
        state.numbers[key] = settings[key];
        sliders[key]?.set(settings[key]);
      }
      seed.value = settings.seed;
      moveTo(settings);
      change();
    },
  };
}

/** How surprised the base is by a text, and a plain sentence where that is far too much. */
function fluency() {
  const value = h("span", { class: "perplexity", title: "The base model's perplexity of the new text, given the prompt" });
  const warning = h("p", { class: "gibberish", hidden: true });
  return {
    value, warning,
    show(perplexity, far) {
      value.textContent = perplexity == null ? "" : `perplexity ${round(perplexity)}`;
      warning.hidden = far == null;
      warning.textContent = far == null ? "" : `Probably gibberish: the base model finds this text ${round(far)} times as surprising as its own.`;
    },
  };
}

/** The two texts; the point's is marked from where it leaves the base's. */
function texts(pin) {
  const parts = {};
  const article = (side, name, button = "") => {
    const id = `contlm-${panels}-${side}`;
    const where = h("span", { class: "where" });
    const spans = ["prompt", "same", "differs", "caret"].map((part) => h("span", { class: part }));
    const body = h("p", { class: "text", tabindex: "0" }, ...spans);
    const { value, warning, show } = fluency();
    parts[side] = { where, body, spans, judge: show, text: "" };
    return h("article", { class: side, "aria-labelledby": id },
      h("header", {}, h("h2", { id }, h("i", { class: `mark ${side}` }), name), button, h("p", { class: "details" }, where, value)), warning, body);
  };
  const element = h("div", { class: "texts" }, article("base", "Base model"), article("point", "Your point", pin));
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
        parts[side].judge(null, null);
      }
      paint();
    },
    add(pieces) {
      for (const side of SIDES) parts[side].text += pieces[side] ?? "";
      paint();
    },
    end(whole, perplexity, far) {
      for (const side of SIDES) {
        parts[side].text = whole[side];
        parts[side].judge(perplexity[side], side === "point" ? far : null);
      }
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

/** A mean and its standard error, which a single text has none of. */
const scored = (mean, error) => [
  h("span", { class: "mean" }, mean == null ? "?" : mean.toFixed(2)), h("small", {}, error == null ? "" : ` \u00b1${error.toFixed(2)}`),
];

/** What each classifier says of both sides: two means and two marks on one line, with their errors. */
function scores(config) {
  if (!config.classifiers.length) return { element: "", show() {}, stale() {} };
  const rows = {};
  for (const name of config.classifiers) {
    const marks = ["span", ...SIDES.map((side) => `spread ${side}`), ...SIDES.map((side) => `mark ${side}`)];
    const values = SIDES.map((side) => h("td", { class: `value ${side}` }, "\u2013"));
    const bar = h("div", { class: "bar", "aria-hidden": "true" }, ...marks.map((kind) => h("i", { class: kind })));
    const row = h("tr", { "data-classifier": name },
      h("th", { scope: "row" }, title(name)), values[0], h("td", { class: "line" }, bar), values[1]);
    rows[name] = { row, values, bar };
  }
  const body = h("tbody", {}, ...Object.values(rows).map(({ row }) => row));
  const about = h("small", {});
  const element = h("section", { class: "scores" }, h("table", {},
    h("caption", {}, h("h2", {}, "Classifier scores"), about),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, h("span", { class: "unseen" }, "Attribute")),
      h("th", { scope: "col" }, "Base"), h("th", { class: "line", "aria-hidden": "true" }, h("span", {}, "0"), h("span", {}, "1")),
      h("th", { scope: "col" }, "Point"))), body));
  return {
    element,
    stale() { body.classList.add("stale"); },
    show({ attribute, means, errors, samples }) {
      body.classList.remove("stale");
      about.textContent = samples === 1 ? "of the new text; 0 is low, 1 is high"
        : `mean of ${samples} texts \u00b1 its standard error; 0 is low, 1 is high`;
      const { values, bar } = rows[attribute];
      SIDES.forEach((side, i) => {
        values[i].replaceChildren(...scored(means[side], errors[side]));
        bar.style.setProperty(`--${side}-at`, means[side] ?? 0);
        bar.style.setProperty(`--${side}-error`, errors[side] ?? 0);
      });
      bar.classList.add("known");
    },
  };
}

/** Points that stay beside the live one, with what was found there: at most MAX_PINS articles, put into `beside`. */
function pins(beside, classifiers, back, changed) {
  const kept = [];
  const repaint = ({ record, judge, list }) => {
    judge(record.perplexity.point, record.far);
    list.replaceChildren(...classifiers.flatMap((name) => {
      const found = record.scores[name];
      return [h("dt", {}, title(name)), h("dd", {}, ...(found ? scored(found.means.point, found.errors.point) : ["\u2013"]))];
    }));
  };
  const remove = (pin) => {
    pin.element.remove();
    kept.splice(kept.indexOf(pin), 1);
    changed();
  };
  return {
    get full() { return kept.length === MAX_PINS; },
    get count() { return kept.length; },
    holds: (record) => kept.some((pin) => pin.record === record),
    add(record) {
      const number = kept.some((pin) => pin.number === 1) ? 2 : 1;
      const { prompt, temperature, top_p, seed } = record.settings;
      const where = `${exact(record.settings)}; temperature ${short(temperature)}, top-p ${short(top_p)}, seed ${seed}`;
      const id = `contlm-${panels}-pin-${number}`;
      const { value, warning, show: judge } = fluency();
      const pin = { record, number, judge, list: h("dl", {}) };
      pin.element = h("article", { class: "pin", "aria-labelledby": id },
        h("header", {}, h("h2", { id }, `Pin ${number}`),
          h("button", {
            type: "button", "aria-label": `Back to this point, pin ${number}`, title: "Moves the controls back to this point",
            click: () => back(record.settings),
          }, "Back to this point"),
          h("button", { type: "button", "aria-label": `Unpin pin ${number}`, click: () => remove(pin) }, "Unpin"),
          h("p", { class: "details" }, h("span", { class: "where" }, where), value)),
        warning, h("p", { class: "text", tabindex: "0" }, h("span", { class: "prompt" }, prompt), h("span", {}, record.texts.point)), pin.list);
      kept.push(pin);
      beside.append(pin.element);
      repaint(pin);
      changed();
    },
    /** Scores of a pinned point that came after it was pinned. */
    update(record) { kept.filter((pin) => pin.record === record).forEach(repaint); },
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
  // record: of the text that is shown, the settings, texts and scores
  let running = null, timer = null, fresh = false, code = "", record = null;
  const complain = (message) => {
    problem.textContent = message;
    problem.hidden = false;
  };
  const view = controls(config, (typing = false) => schedule(typing ? TYPING_MS : DEBOUNCE_MS), complain);
  const pin = h("button", { type: "button", class: "hold", disabled: true, click: () => pinned.add(record) }, "Pin");
  const written = texts(pin);
  const pinned = pins(written.element, config.classifiers, view.restore, () => {
    panel.dataset.pins = pinned.count;
    mayPin();
  });
  const mayPin = () => {
    pin.disabled = !record?.whole || pinned.full || pinned.holds(record);
    pin.title = pinned.full ? `At most ${MAX_PINS} points are pinned; unpin one first` : "Keeps this point beside the next ones";
  };
  const judged = scores(config);
  const status = h("p", { class: "status", role: "status" });
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const go = h("button", { type: "button", class: "go", click: () => (running || timer ? stop("Stopped") : start()) }, "Run");
  const copy = h("button", { type: "button", class: "quiet", disabled: true, click: () => copyCode() }, "Copy as Python");

  const say = (state, text) => {
    status.dataset.state = state;
    status.textContent = text;
    go.textContent = running || timer ? "Stop" : "Run";
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
    timer = setTimeout(start, delay);
    say("waiting", "Waiting\u2026");
  };
  const start = () => {
    cancel();
    const settings = view.settings();
    problem.hidden = true;
    fresh = true;
    copy.disabled = true;
    judged.stale();
    const mine = transport.run(settings, (event) => { if (running === mine) show(event, settings); });
    running = mine;
    say("writing", "Writing\u2026");
  };
  // the old text stays, paler, until there is a new one, so that nothing jumps
  const clearOnce = (settings) => {
    if (!fresh) return;
    fresh = false;
    const names = view.active();
    const where = names.map((name) => `${name} ${short(settings.alpha[name])}`).join(" \u00b7 ");
    record = { settings, whole: false, scores: {} };
    mayPin();
    written.begin(settings.prompt, { base: "no adapters", point: where || "the base model" });
    written.busy("writing");
  };
  const show = (event, settings) => {
    if (event.kind === "text") {
      clearOnce(settings);
      written.add(event.pieces);
    } else if (event.kind === "scores") {
      judged.show(event);
      record.scores[event.attribute] = event;
      pinned.update(record);
    } else if (event.kind === "shown") {
      clearOnce(settings);
      const { texts, perplexity, gibberish, stats } = event;
      Object.assign(record, { texts, perplexity, whole: true, far: gibberish ? perplexity.point / perplexity.base : null });
      record.speed = `${stats.new_tokens} tokens, ${Math.round(stats.tokens_per_s)} tokens/s, ${stats.mode}`;
      written.end(texts, perplexity, record.far);
      code = event.code;
      copy.disabled = false;
      mayPin();
      say("sampling", `${record.speed}; more samples\u2026`);
    } else if (event.kind === "done") {
      running = null;
      say("idle", event.samples > 1 ? `${record.speed}; ${event.samples} samples` : record.speed);
    } else if (event.kind === "error") {
      running = null;
      complain(event.message);
      say("error", "Stopped by an error");
      if (fresh) written.busy("waiting"); // what stands there is of an earlier point
    }
  };
  const copyCode = async () => {
    try {
      await navigator.clipboard.writeText(code);
      status.textContent = "Copied";
    } catch {
      complain(code);
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
