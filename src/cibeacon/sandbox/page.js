tables.requests = new Table("requests", requests);
tables.spool = new Table("spool", spool);
let ledger = null;
let shown = "";
let changes = 0;

// Tabs

function route() {
  const [asked, parameters] = address();
  const current = tabs[asked] ? asked : "overview";
  for (const name of Object.keys(tabs)) {
    find(`tab-${name}`).hidden = name !== current;
    find(`to-${name}`).ariaCurrent = name === current ? "page" : null;
  }
  if (current === asked) find(`to-${current}`).href = hash(current, parameters); // so that a tab comes back as it was left
  document.title = `${find(`to-${current}`).firstChild.textContent.trim()} – cibeacon sandbox`;
  if (!ledger) return;
  for (const name of tabs[current].tables) {
    tables[name].update(ledger);
    tables[name].show(parameters);
  }
  if (current === "overview") overview();
  outage();
  const empty = tabs[current].tables.length > 0 && tabs[current].tables.every((name) => tables[name].all.length === 0);
  const start = find(`tab-${current}`).querySelector(".start");
  if (start && start.dataset.empty !== String(empty)) {
    start.dataset.empty = String(empty);
    start.open = empty; // once it has changed the reader decides
  }
}

function badges() {
  const numbers = { requests: ledger.received, outage: ledger.spool?.waiting ?? 0 };
  for (const [name, tab] of Object.entries(tabs)) if (tab.count) numbers[name] = tab.count(ledger);
  for (const [name, number] of Object.entries(numbers)) find(`to-${name}`).querySelector(".badge").textContent = number ? number.toLocaleString("en") : "";
}

// Live

function settings() {
  for (const [name, tab] of Object.entries(tabs)) if (tab.settings) find(`${name}-settings`).textContent = tab.settings(ledger);
  find("begin").querySelector("pre").textContent = tabs.dx.settings(ledger);
}

function live(state, words) {
  if (find("live").textContent === words) return;
  find("live").className = `live ${state}`;
  find("live").textContent = words;
}

function announce(before) {
  const fresh = ledger.requests.filter((entry) => entry.seq > before);
  const refused = fresh.filter((entry) => entry.error).length;
  if (fresh.length) find("news").textContent = `${plural(fresh.length, "new request")}${refused ? `, ${refused} refused` : ""}`;
}

async function refresh() {
  try {
    const reply = await (await fetch("ledger", { cache: "no-store" })).text();
    if (reply !== shown) {
      const before = ledger?.received;
      ledger = JSON.parse(reply);
      shown = reply;
      changes += 1;
      settings();
      badges();
      route();
      if (before !== undefined) announce(before);
    } else if (find("to-overview").ariaCurrent) overview(); // minutes pass
    live("on", "listening");
  } catch (error) {
    live("off", error instanceof TypeError ? "not reachable" : "not readable");
  }
}

async function poll() {
  const start = performance.now();
  if (!document.hidden) await refresh();
  refreshTimes();
  setTimeout(poll, Math.max(1000, 9 * (performance.now() - start))); // a large ledger takes a tenth of the time at most
}

find("skip").addEventListener("click", () => find("content").focus());
addEventListener("hashchange", () => {
  route();
  const [asked] = [...address()[1].keys()];
  const table = tables[asked?.split(".")[0]];
  if (table) table.section.scrollIntoView();
  else scrollTo(0, 0);
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
route();
poll();
