"use strict";

// Everything the ledger holds is hostile: it enters the page as text and in no other way.

const SHOWN = 300;
const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const at = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const find = (id) => document.getElementById(id);
let received = 0;
let shown = "";

function make(name, className, ...inside) {
  const element = document.createElement(name);
  element.className = className;
  element.append(...inside.filter((part) => part !== null && part !== undefined));
  return element;
}

const text = (value) => document.createTextNode(String(value));
const span = (className, value) => make("span", className, text(value));
const second = (value) => (value ? span("second", value) : null);
const cell = (className, ...inside) => make("td", className, ...inside);
const short = (sha) => String(sha).slice(0, 10);
const instant = (seconds) => when.format(new Date(seconds * 1000));

function cut(value) {
  const element = span("mono soft cut", value);
  element.title = String(value);
  return element;
}

function duration(seconds) {
  if (seconds === null || seconds < 0) return "–";
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const parts = [[hours, "h"], [minutes, "m"], [seconds % 60, "s"]].filter(([amount]) => amount > 0);
  return parts.length ? parts.map(([amount, unit]) => `${amount} ${unit}`).join(" ") : "0 s";
}

function pullRow([pull, services]) {
  const chips = services.length ? services.map((name) => span("chip", name)) : [span("soft", "any service")];
  return make("tr", "", cell("mono", text(pull)), cell("wrap", ...chips));
}

function attribution(record) {
  if (record.merge_commit_shas) return record.merge_commit_shas.map(short).join(", ");
  if (record.commit_sha) return short(record.commit_sha);
  return "everything merged since";
}

function deploymentRow([reference, record]) {
  const where = [record.environment, record.success === false ? "failed" : ""].filter(Boolean).join(", ");
  const branch = record.integration_branch ? `by way of ${record.integration_branch}` : "";
  const code = [span("mono", attribution(record)), second([record.repository, branch].filter(Boolean).join(" "))];
  return make("tr", "", cell("", text(record.service), second(where)), cell("", ...code),
    cell("", text(instant(record.deployed_at)), second(record.source_name)), cell("", cut(reference)));
}

function runRow([reference, run]) {
  const pull = run.pr_number ? `#${run.pr_number}` : "";
  const code = [run.head_branch, run.commit_sha ? short(run.commit_sha) : ""].filter(Boolean).join(" @ ");
  const name = span("", run.pipeline_name);
  name.title = reference;
  return make("tr", "", cell("", span(`pill ${run.status}`, run.status)), cell("", name, second(run.pipeline_source)),
    cell("", text((run.repository ?? "–") + pull), second(code)), cell("", text(instant(run.started_at))),
    cell("number", text(duration(run.duration))), cell("number soft", text(`${run.notifications} ×`)));
}

const pills = { killed: "cancelled", error: "failure", "pre-run": "running", "post-run": "running" };

function amount(bytes) {
  return bytes < 1024 ? `${bytes} B` : bytes < 1048576 ? `${Math.round(bytes / 1024)} KiB` : `${Math.round(bytes / 1048576)} MiB`;
}

function tests(result) {
  const odd = [[result.failures, "failed"], [result.errors, "errors"], [result.skips, "skipped"],
    [result.regressions, "regressions"]].filter(([number]) => number > 0).map(([number, word]) => `${number} ${word}`);
  return [`${result.success} of ${result.total} passed`, ...odd].join(", ");
}

function jobRow([id, job]) {
  const name = span("", job.name ?? id);
  name.title = id;
  const about = second([job.topic, job.configuration, ...job.tags].filter(Boolean).join(", "));
  const states = job.states.map(([status, comment]) => {
    const chip = span("chip", status);
    chip.title = comment ?? "";
    return chip;
  });
  const files = job.files.map((file) => make("span", "file", text(file.name), second(`${amount(file.size)} ${file.mime ?? ""}`)));
  const counted = job.results.map((result) => make("span", "file", text(tests(result)), second(result.name)));
  return make("tr", "", cell("", span(`pill ${pills[job.status] ?? job.status}`, job.status)), cell("", name, about),
    cell("wrap", ...states), cell("", ...files), cell("", ...counted), cell("number soft", text(job.components.length)));
}

const words = { failed: "failure", canceled: "cancelled", canceling: "cancelled", manual: "cancelled" };
const variables = (told) => Object.entries(told).map(([name, value]) => span("file mono", `${name}=${value}`));

function pipelineRow([id, line]) {
  const name = make("span", "", text(id), second([line.project, line.ref].join(" @ ")));
  const jobs = line.jobs.map((job) => {
    const chip = make(job.retried ? "s" : "span", `pill ${words[job.status] ?? job.status}`, text(job.name));
    chip.title = [job.stage, job.status, job.downstream ? `pipeline ${job.downstream}` : amount(job.log)].join(", ");
    return chip;
  });
  const by = line.parent ? `pipeline ${line.parent}` : line.schedule ? `schedule ${line.schedule}` : line.user;
  return make("tr", "", cell("", span(`pill ${words[line.status] ?? line.status}`, line.status)), cell("", name),
    cell("wrap", ...jobs.flatMap((job) => [job, text(" ")])), cell("wrap", ...variables(line.variables)),
    cell("", text(line.source), second(by)));
}

function scheduleRow([id, one]) {
  return make("tr", "", cell("", text(one.description), second(`${id}${one.active ? "" : ", inactive"}`)),
    cell("mono", text(one.cron), second(one.cron_timezone)), cell("", text(one.ref), second(one.project)),
    cell("wrap", ...variables(one.variables)));
}

function flowRow([job, [context, pipelines]]) {
  const chips = pipelines.map((one) => span("chip", one.name));
  return make("tr", "", cell("mono", text(job)), cell("", text(context)),
    cell("wrap", ...(chips.length ? chips : [span("soft", "none")])));
}

function flowJobs(contexts) {
  return Object.fromEntries(Object.entries(contexts).flatMap(([context, held]) =>
    Object.entries(held.jobs).map(([job, pipelines]) => [job, [context, pipelines]])));
}

function gist(body) {
  const services = Array.isArray(body?.services) ? body.services : [body?.service];
  const named = services.map((service) => service?.identifier ?? service);
  return [body?.pipeline_name, body?.name, body?.["DCI-NAME"], body?.status, ...named].filter((part) => typeof part === "string").join(", ");
}

function requestItem(entry) {
  const name = entry.path.startsWith("/api/") ? entry.path.slice(5) : entry.path;
  const verb = entry.method === "POST" ? "" : `${entry.method} `;
  const what = span("what", verb + name + (entry.error ? ` – ${entry.error}` : ""));
  what.append(span("gist", gist(entry.body)));
  const summary = make("summary", "", span("seq", entry.seq), span(entry.error ? "pill bad" : "pill ok", entry.status),
    what, span("when", at.format(new Date(entry.time * 1000))));
  const message = entry.message ? make("p", "message", text(entry.message)) : null;
  const body = entry.body === null ? "No JSON body." : JSON.stringify(entry.body, null, 2);
  const details = make("details", "", summary, message, make("pre", "", text(body)));
  return make("li", entry.error ? "failed" : "", details);
}

function fill(id, records, row) {
  const entries = Object.entries(records).reverse();
  find(id).hidden = entries.length === 0;
  find(id).querySelector(".count").textContent = entries.length;
  find(id).querySelector("tbody").replaceChildren(...entries.slice(0, SHOWN).map(row));
}

function list(ledger) {
  const items = find("requests").querySelector("ol");
  if (ledger.received < received) {
    items.replaceChildren(); // another sandbox answers at this address now
    received = 0;
  }
  const fresh = ledger.requests.filter((entry) => entry.seq > received).slice(-SHOWN);
  items.prepend(...fresh.map(requestItem).reverse()); // items that stand already stay open or shut
  while (items.childElementCount > SHOWN) items.lastElementChild.remove();
  received = ledger.received;
  find("requests").hidden = received === 0;
  find("requests").querySelector(".count").textContent = received;
}

function show(ledger) {
  find("start").hidden = ledger.received > 0;
  fill("pulls", ledger.pull_services, pullRow);
  fill("deployments", ledger.deployments, deploymentRow);
  fill("runs", ledger.pipeline_runs, runRow);
  fill("jobs", ledger.dci.jobs, jobRow);
  fill("pipelines", ledger.dataops.pipelines, pipelineRow);
  fill("schedules", ledger.dataops.schedules, scheduleRow);
  const asked = ledger.requests.some((entry) => entry.path.endsWith("/jobs/pipelines"));
  fill("flows", asked ? flowJobs(ledger.flow) : {}, flowRow);
  const dci = `export DCI_CS_URL=${location.origin}\nexport DCI_CLIENT_ID=${ledger.dci.client_id}`;
  find("dci").textContent = `${dci}\n# and DCI_API_SECRET as it was printed where the sandbox started`;
  const files = `# pipeline files:\n${ledger.dataops.files.map((file) => `#   ${file}`).join("\n")}`;
  find("dataops").textContent = `export CIBEACON_DATAOPS_URL=${location.origin}\nexport CIBEACON_DATAOPS_PROJECT=${ledger.dataops.project}\n${files}`;
  find("flow").textContent = `export CIBEACON_FLOW_URL=${location.origin}\nexport CIBEACON_FLOW_CONTEXT=${Object.keys(ledger.flow)[0] ?? ""}\n# and the tokens as they were printed where the sandbox started`;
  list(ledger);
}

function live(state, words) {
  if (find("live").textContent === words) return;
  find("live").className = `live ${state}`;
  find("live").textContent = words;
}

async function poll() {
  try {
    const told = await (await fetch("ledger", { cache: "no-store" })).text();
    if (told !== shown) show(JSON.parse(told));
    shown = told;
    live("on", "listening");
  } catch {
    live("off", "not reachable");
  }
  setTimeout(poll, 1000);
}

find("settings").textContent = `export CIBEACON_DX_URL=${location.origin}\nexport DX_API_TOKEN=sandbox-token\ncibeacon report --no-dry-run --run-id=1`;
poll();
