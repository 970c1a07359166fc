"use strict";

// Everything the ledger holds is hostile: it enters the page as text and in no other way.

const PAGE = 50;
const FOCUSABLE = "a, summary, pre";
const OPTIONS = 300; // of a filter; the search box reaches the rest
const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const timeOfDay = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const find = (id) => document.getElementById(id);

function make(name, className, ...inside) {
  const element = document.createElement(name);
  element.className = className;
  element.append(...inside.filter((part) => part !== null && part !== undefined));
  return element;
}

const text = (value) => document.createTextNode(String(value));
const span = (className, value) => make("span", className, text(value));
const second = (value) => (value ? span("second", value) : null);
const short = (sha) => String(sha).slice(0, 10);
const plural = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;

function link(hash, ...inside) {
  const element = make("a", "", ...inside);
  element.href = hash;
  return element;
}

function titled(element, title) {
  element.title = String(title ?? "");
  return element;
}

const UNITS = [["s", 1, 60], ["min", 60, 60], ["h", 3600, 48], ["d", 86400, 30]];

function ago(seconds) {
  const past = Date.now() / 1000 - seconds;
  const unit = UNITS.find(([, size, most]) => Math.abs(past) < size * most);
  if (!unit) return day.format(new Date(seconds * 1000));
  const amount = `${Math.floor(Math.abs(past) / unit[1])} ${unit[0]}`;
  return Math.abs(past) < 5 ? "now" : past > 0 ? `${amount} ago` : `in ${amount}`;
}

function when(seconds) {
  const element = make("time", "", text(ago(seconds)));
  const date = new Date(seconds * 1000);
  element.dateTime = date.toISOString();
  return titled(element, absolute.format(date));
}

const clock = (seconds) => timeOfDay.format(new Date(seconds * 1000));

// The same without the direction, for what still waits.
function since(seconds) {
  const element = when(seconds);
  element.dataset.since = "";
  element.textContent = element.textContent.replace(" ago", "");
  return element;
}

function exactly(seconds) {
  const element = when(seconds);
  element.className = "exact";
  element.textContent = element.title;
  return element;
}

function refreshTimes() {
  for (const element of document.querySelectorAll("time:not(.exact)")) {
    const whole = ago(Date.parse(element.dateTime) / 1000);
    const words = "since" in element.dataset ? whole.replace(" ago", "") : whole;
    if (element.textContent !== words) element.textContent = words;
  }
}

function duration(seconds, units = 4) {
  if (seconds === null || seconds === undefined) return "–";
  if (Math.abs(seconds) < 10 && !Number.isInteger(seconds)) return `${seconds.toFixed(1)} s`.replace("-", "−");
  const all = Math.abs(Math.round(seconds));
  const amounts = [[Math.floor(all / 86400), "d"], [Math.floor(all / 3600) % 24, "h"], [Math.floor(all / 60) % 60, "min"], [all % 60, "s"]];
  const first = amounts.findIndex(([amount]) => amount > 0);
  const parts = amounts.slice(0, first + units).filter(([amount]) => amount > 0).map(([amount, unit]) => `${amount} ${unit}`);
  return (seconds < 0 ? "−" : "") + (parts.join(" ") || "0 s");
}

const roughly = (seconds) => duration(Math.round(seconds), 2);

// The address after # is the state: #tab?table.search=…&table.page=2

function address() {
  const [tab, query] = location.hash.slice(1).split("?");
  return [tab || "overview", new URLSearchParams(query ?? "")];
}

function hash(tab, parameters) {
  const query = new URLSearchParams(parameters).toString();
  return `#${tab}${query ? `?${query}` : ""}`;
}

function remember(changes) {
  const [tab, parameters] = address();
  for (const [name, value] of Object.entries(changes)) {
    if (value) parameters.set(name, value);
    else parameters.delete(name);
  }
  history.replaceState(null, "", hash(tab, parameters));
  route();
}

const compared = new Intl.Collator(undefined, { numeric: true }).compare;

function inOrder(left, right) {
  if (typeof left === "number" && typeof right === "number") return left - right;
  return compared(String(left ?? ""), String(right ?? ""));
}

/* A table (or, without columns, a list) with search, filters, sorting and pages, which outlives every update.

   id: of its section. records(ledger): what it shows, each with a `key`. columns: name → { cell, sort? }.
   filters: name → the values of a record. words: what the search looks through. item: of a list. start: first sorting. */
class Table {
  constructor(id, { records, columns, filters, words, item, start, unit }) {
    Object.assign(this, { id, records, columns, filters, words, item, start, unit, all: [], rows: new Map(), options: {} });
    this.section = find(id);
    this.count = this.section.querySelector(".count");
    this.body = make(columns ? "tbody" : "ol", "");
    this.none = make("p", "none", text("Nothing matches."));
    this.section.append(this.controls(), this.none, columns ? this.table() : this.body, this.pager());
  }

  name(part) {
    return `${this.id}.${part}`;
  }

  controls() {
    this.search = make("input", "");
    this.search.type = "search";
    this.search.placeholder = "Search";
    this.search.ariaLabel = `Search ${this.unit}s`;
    this.search.addEventListener("input", () => remember({ [this.name("search")]: this.search.value, [this.name("page")]: "" }));
    this.selects = Object.fromEntries(Object.keys(this.filters).map((name) => {
      const select = make("select", "");
      select.addEventListener("change", () => remember({ [this.name(name)]: select.value, [this.name("page")]: "" }));
      return [name, select];
    }));
    const labels = Object.entries(this.selects).map(([name, select]) => make("label", "", span("", name), select));
    this.clear = make("button", "clear", text("Clear"));
    this.clear.type = "button";
    this.clear.ariaLabel = `Clear the search and the filters of ${this.unit}s`;
    this.clear.addEventListener("click", () => remember(Object.fromEntries(this.narrowing().map((name) => [name, ""]))));
    this.bar = make("div", "controls", this.search, ...labels, this.clear);
    return this.bar;
  }

  // what is in the address that leaves rows out
  narrowing() {
    return ["search", "page", ...Object.keys(this.filters)].map((part) => this.name(part)).filter((name) => address()[1].get(name));
  }

  table() {
    this.heads = Object.entries(this.columns).map(([name, column]) => {
      const head = make("th", column.className ?? "");
      head.scope = "col";
      head.role = "columnheader";
      if (!column.sort) head.append(text(name));
      else {
        const button = make("button", "sort", text(name));
        button.type = "button";
        button.addEventListener("click", () => remember({ [this.name("sort")]: this.sorting === name ? `-${name}` : name }));
        head.append(button);
      }
      return [name, head];
    });
    const head = make("thead", "", make("tr", "", ...this.heads.map(([, element]) => element)));
    const table = make("table", "", head, this.body);
    for (const [element, role] of [[table, "table"], [head, "rowgroup"], [this.body, "rowgroup"], [head.firstChild, "row"]]) element.role = role;
    table.ariaLabel = this.section.querySelector("h2").firstChild.textContent.trim();
    return table;
  }

  pager() {
    const button = (words, step) => {
      const element = make("button", "", text(words));
      element.type = "button";
      element.addEventListener("click", () => {
        remember({ [this.name("page")]: String(this.page + step) });
        this.section.scrollIntoView();
      });
      return element;
    };
    [this.before, this.range, this.after] = [button("Previous", -1), make("span", "", text("")), button("Next", 1)];
    this.pages = make("div", "pager", this.before, this.range, this.after);
    return this.pages;
  }

  update(ledger) {
    this.all = this.records(ledger);
    for (const [name, select] of Object.entries(this.selects)) this.offer(name, select);
  }

  offer(name, select) {
    const values = [...new Set(this.all.flatMap(this.filters[name]))].filter(Boolean).sort(compared).slice(0, OPTIONS);
    const chosen = address()[1].get(this.name(name));
    if (chosen && !values.includes(chosen)) values.unshift(chosen);
    if (JSON.stringify(values) === this.options[name]) return;
    this.options[name] = JSON.stringify(values);
    select.replaceChildren(new Option("all", ""), ...values.map((value) => new Option(value, value)));
  }

  matching(parameters) {
    const search = (parameters.get(this.name("search")) ?? "").toLowerCase();
    const chosen = Object.keys(this.filters).map((name) => [this.filters[name], parameters.get(this.name(name))]).filter(([, value]) => value);
    return this.all.filter((record) => chosen.every(([values, value]) => values(record).includes(value)) &&
      (!search || this.words(record).join(" ").toLowerCase().includes(search)));
  }

  show(parameters) {
    const matching = this.matching(parameters);
    const sorting = parameters.get(this.name("sort")) ?? this.start;
    this.sorting = sorting;
    const column = this.columns?.[sorting?.replace(/^-/, "")];
    if (column?.sort) {
      const sign = sorting.startsWith("-") ? -1 : 1;
      matching.sort((left, right) => sign * inOrder(column.sort(left), column.sort(right)));
    }
    const last = Math.max(1, Math.ceil(matching.length / PAGE));
    this.page = Math.min(last, Math.max(1, Number(parameters.get(this.name("page"))) || 1));
    const from = (this.page - 1) * PAGE;
    this.fill(matching.slice(from, from + PAGE));
    this.frame(parameters, matching.length, from, last);
  }

  frame(parameters, matching, from, last) {
    this.section.hidden = this.all.length === 0;
    this.count.textContent = matching === this.all.length ? matching.toLocaleString("en") : `${matching.toLocaleString("en")} of ${this.all.length.toLocaleString("en")}`;
    this.bar.hidden = this.all.length < 2 && ![...parameters.keys()].some((name) => name.startsWith(`${this.id}.`));
    this.none.hidden = matching > 0;
    this.clear.hidden = this.narrowing().filter((name) => name !== this.name("page")).length === 0;
    this.pages.hidden = last === 1;
    this.range.textContent = `${from + 1}–${Math.min(from + PAGE, matching)} of ${matching.toLocaleString("en")}`;
    [this.before.disabled, this.after.disabled] = [this.page === 1, this.page === last];
    const search = parameters.get(this.name("search")) ?? "";
    if (this.search.value !== search) this.search.value = search;
    for (const [name, select] of Object.entries(this.selects)) {
      select.value = parameters.get(this.name(name)) ?? "";
      select.parentElement.hidden = select.length < 3 && !select.value;
    }
    for (const [name, head] of this.heads ?? []) {
      head.ariaSort = this.sorting === name ? "ascending" : this.sorting === `-${name}` ? "descending" : "none";
    }
  }

  fill(records) {
    const focus = this.focused();
    const rows = new Map();
    for (const record of records) {
      const held = this.rows.get(record.key);
      const content = JSON.stringify(record);
      rows.set(record.key, held?.content === content ? held : { content, element: this.row(record, held?.element) });
    }
    this.rows = rows;
    const wanted = [...rows.values()].map((row) => row.element);
    const staying = new Set(wanted);
    for (const element of [...this.body.children]) if (!staying.has(element)) element.remove();
    wanted.forEach((element, index) => {
      // a row that stands where it should is not touched, so that it keeps the focus
      if (this.body.children[index] !== element) this.body.insertBefore(element, this.body.children[index] ?? null);
    });
    if (focus && !focus.element.isConnected) rows.get(focus.key)?.element.querySelectorAll(FOCUSABLE)[focus.index]?.focus();
  }

  // where the focus is, so that a row that is made again gets it back
  focused() {
    const element = document.activeElement;
    const [key, row] = [...this.rows].find(([, each]) => each.element.contains(element)) ?? [];
    return row && { key, element, index: [...row.element.querySelectorAll(FOCUSABLE)].indexOf(element) };
  }

  row(record, before) {
    const row = this.columns ? this.cells(record) : this.item(record);
    const open = [...(before?.querySelectorAll("details") ?? [])].map((details) => details.open);
    row.querySelectorAll("details").forEach((details, index) => { details.open = open[index] ?? details.open; });
    return row;
  }

  cells(record) {
    const row = make("tr", "");
    row.role = "row";
    for (const [name, column] of Object.entries(this.columns)) {
      const cell = make("td", column.className ?? "", make("div", "", ...[column.cell(record)].flat()));
      cell.role = "cell";
      cell.dataset.label = name;
      row.append(cell);
    }
    return row;
  }
}
