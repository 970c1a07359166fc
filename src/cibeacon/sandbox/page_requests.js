// Requests

const vendor = (entry) => ledger.vendors[entry.vendor] ?? "";
const vendorOf = (entry) => chip(entry.vendor, vendor(entry));
const verdict = (entry) => (!entry.error ? "accepted" : entry.fault ? "failed on order" : "refused");
const called = (entry) => (entry.method === "POST" ? "" : `${entry.method} `) + entry.path.replace(/^\/api\/(v\d\/)?/, "");
const status = (entry) => pill(entry.error ? "failed" : "success", String(entry.status));
const faulty = (entry) => (entry.fault ? pill("waiting", `on order: ${entry.fault}`) : null);
const toRequest = (entry, words) => link(hash("requests", { "requests.search": `request ${entry.seq}.` }), text(words));

function gist({ vendor: name, body }) {
  if (tabs[name]?.gist) return tabs[name].gist(body);
  const services = Array.isArray(body?.services) ? body.services : [body?.service];
  const named = services.map((service) => service?.identifier ?? service);
  return [body?.pipeline_name, body?.name, body?.["DCI-NAME"], body?.status, ...named].filter((part) => typeof part === "string").join(", ");
}

function judged(entry) {
  const name = (term, value) => (value ? [make("dt", "", text(term)), make("dd", "", ...[value].flat())] : []);
  const rule = entry.error ? span("rule", entry.message ?? "The vendor gives no reason.") : null;
  return make("dl", "", ...name("Verdict", pill(entry.error ? "failed" : "success", verdict(entry))), ...name("Answer", text(entry.status)),
    ...name("Error", entry.error ? span("mono", entry.error) : null), ...name(entry.fault ? "Message" : "Rule that it broke", rule), ...name("Fault", faulty(entry)),
    ...name("Request", span("mono", `${entry.method} ${entry.path}`)), ...name("Received", exactly(entry.time)), ...name("Link", toRequest(entry, `request ${entry.seq}`)));
}

const requests = {
  unit: "request",
  records: (ledger) => ledger.requests.map((entry) => ({ ...entry, key: entry.seq })).reverse(),
  filters: { verdict: (entry) => [verdict(entry)], vendor: (entry) => [vendor(entry)], method: (entry) => [called(entry)], fault: (entry) => [entry.fault] },
  words: (entry) => [`request ${entry.seq}.`, entry.path, entry.status, entry.error, entry.message, entry.fault, JSON.stringify(entry.body)],
  item(entry) {
    const what = make("span", "what", text(called(entry)), entry.error ? span("bad", ` ${entry.error}`) : null, text(" "), span("gist", gist(entry)), text(" "), faulty(entry));
    const summary = make("summary", "", span("seq", entry.seq), status(entry), what, vendorOf(entry), when(entry.time));
    const body = make("pre", "", text(entry.body === null ? "No JSON body." : JSON.stringify(entry.body, null, 2)));
    body.tabIndex = 0;
    body.ariaLabel = "Body";
    const details = make("details", "", summary, make("div", "beside", judged(entry), body));
    details.open = address()[1].get("requests.search") === `request ${entry.seq}.`;
    return make("li", entry.error ? "failed" : "", details);
  },
};

// What waits in the spool

const spool = {
  unit: "signal",
  records: (ledger) => (ledger.spool?.signals ?? []).map((signal) => ({ ...signal, key: `${signal.sink} ${signal.key}` })),
  start: "Waiting",
  filters: { kind: (signal) => [signal.kind], sink: (signal) => [signal.sink] },
  words: (signal) => [signal.key, signal.kind, signal.subject, signal.path, signal.reason],
  columns: {
    Signal: { className: "wide", sort: (signal) => signal.kind, cell: (signal) => [span("strong", signal.kind), second(signal.subject), second(`${signal.method} ${signal.path}, ${amount(signal.size)}`)] },
    Sink: { sort: (signal) => signal.sink, cell: (signal) => [chip(signal.sink, signal.sink)] },
    Waiting: { sort: (signal) => signal.created_at, cell: (signal) => [since(signal.created_at)] },
    Attempts: { className: "number", sort: (signal) => signal.attempts, cell: (signal) => [text(signal.attempts ? `${signal.attempts} here` : "none here")] },
    Why: { className: "half", sort: (signal) => signal.reason ?? "", cell: (signal) => [span(signal.reason ? "bad" : "soft", signal.reason ?? "it did not reach this sandbox")] },
  },
};

function outage() {
  const folder = ledger.spool?.folder;
  find("no-spool").hidden = Boolean(ledger.spool?.waiting);
  find("no-spool-note").textContent = folder ? `Nothing waits in ${folder}.` : "The sandbox does not know the spool folder: start it with --spool DIR. Then point cibeacon at that folder:";
  find("spool-settings").hidden = Boolean(folder);
  const vendors = Object.entries({ ...ledger.vendors, all: "all" });
  replaceWhenChanged(find("fault-vendor"), JSON.stringify(vendors), () => vendors.map(([name, title]) => new Option(title, name)));
  const shown = ledger.spool?.signals.length ?? 0;
  const part = shown < ledger.spool?.waiting ? `The first ${shown.toLocaleString("en")} of ${ledger.spool.waiting.toLocaleString("en")}. ` : "";
  find("spool-note").textContent = [`${part}Folder: ${folder}. cibeacon replay sends them.`, ...(ledger.spool?.problems ?? [])].join(" ");
  orders();
}

// Faults on order

const FAULTS = "sandbox/faults";

function orders() {
  const all = Object.entries(ledger.faults).map(([name, faults]) => `${name}: ${faults}`);
  find("in-force").hidden = all.length === 0;
  find("in-force").textContent = `Faults on order: ${all.join(" · ")}`;
  replaceWhenChanged(find("ordered"), JSON.stringify(all), () => (all.length ? all.map((one) => make("li", "mono", text(one))) : [make("li", "soft", text("None is in force."))]));
  find("clear-faults").disabled = all.length === 0;
}

async function changeFaults(method, body) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  try {
    const reply = await fetch(FAULTS, { method, headers, body: body && JSON.stringify(body) });
    const answer = reply.status === 204 ? { ok: true } : await reply.json();
    find("fault-answer").textContent = reply.ok ? "" : `${answer.message ?? answer.error}`;
  } catch {
    find("fault-answer").textContent = "The sandbox does not answer.";
  }
  await refresh();
}

find("faults").addEventListener("submit", (event) => {
  event.preventDefault();
  changeFaults("POST", { fault: `${find("fault-vendor").value}: ${find("fault-rules").value}` });
});
find("clear-faults").addEventListener("click", () => changeFaults("DELETE"));
