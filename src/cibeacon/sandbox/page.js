const MINUTES = 5;
const tables = {
  deployments: new Table("deployments", deployments), pulls: new Table("pulls", pulls), runs: new Table("runs", runs),
  jobs: new Table("jobs", jobs), pipelines: new Table("pipelines", pipelines), schedules: new Table("schedules", schedules),
  flows: new Table("flows", flows), requests: new Table("requests", requests),
};
const tabs = {
  overview: [], dx: ["deployments", "pulls", "runs"], dci: ["jobs"], dataops: ["pipelines", "schedules"], flow: ["flows"], requests: ["requests"],
};
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
  document.title = `${find(`to-${current}`).firstChild.textContent.trim()} – cibeacon sandbox`;
  if (!ledger) return;
  for (const name of tabs[current]) {
    tables[name].update(ledger);
    tables[name].show(parameters);
  }
  if (current === "overview") overview();
  const empty = tabs[current].length > 0 && tabs[current].every((name) => tables[name].all.length === 0);
  const start = find(`tab-${current}`).querySelector(".start");
  if (start && start.dataset.empty !== String(empty)) {
    start.dataset.empty = String(empty);
    start.open = empty; // once it has changed the reader decides
  }
}

// Overview

function tile(tab, number, words, odd) {
  const inside = [span("figure", number.toLocaleString("en")), span("", words), odd ? span("odd", odd) : null];
  return make("li", "", link(`#${tab}`, ...inside));
}

function tiles(recent) {
  const records = (name) => tables[name].records(ledger);
  const [out, went, all] = [records("deployments"), records("runs"), records("jobs")];
  const count = (list, test) => list.filter(test).length;
  const some = (number, words) => (number ? `${number.toLocaleString("en")} ${words}` : "");
  const refused = count(recent, (entry) => entry.error);
  return [
    tile("requests", recent.length, `request${recent.length === 1 ? "" : "s"} in the last ${MINUTES} minutes`, some(refused, "refused")),
    tile("dx", out.length, `deployment${out.length === 1 ? "" : "s"}`, some(count(out, (one) => one.attribution.waits), "waiting for pull requests")),
    tile("dx", Object.keys(ledger.pull_requests).length, "pull requests", some(count(Object.values(ledger.pull_requests), (one) => one.imported && !one.deployed_by.length), "not deployed")),
    tile("dx", went.length, `pipeline run${went.length === 1 ? "" : "s"}`, some(count(went, (run) => run.status === "failure"), "failed")),
    tile("dci", all.length, `DCI job${all.length === 1 ? "" : "s"}`, some(count(all, (job) => ["failure", "error"].includes(job.status)), "failed")),
    tile("dataops", Object.keys(ledger.dataops.pipelines).length, "DataOps.live pipelines", some(count(Object.values(ledger.dataops.pipelines), (one) => one.status === "failed"), "failed")),
  ];
}

function arrival(entry) {
  const to = link(hash("requests", { "requests.search": `request ${entry.seq}.` }), text(called(entry)));
  const reason = entry.error ? span("reason", `${entry.error}${entry.message ? `: ${entry.message}` : ""}`) : second(gist(entry.body));
  return make("li", "", pill(entry.error ? "failed" : "success", String(entry.status)), make("span", "what", to, text(" "), span("soft vendor", vendor(entry)), reason), when(entry.time));
}

function replaceWhenChanged(element, content, parts) {
  if (element.dataset.content === content) return;
  element.dataset.content = content;
  element.replaceChildren(...parts());
}

function overview() {
  const newest = ledger.requests.slice().reverse();
  const since = Date.now() / 1000 - MINUTES * 60;
  const recent = newest.filter((entry) => entry.time >= since);
  const refused = newest.filter((entry) => entry.error).slice(0, 8);
  find("begin").hidden = ledger.received > 0;
  find("arrived").hidden = ledger.received === 0;
  replaceWhenChanged(find("tiles"), `${changes} ${recent.length}`, () => tiles(recent));
  const arrived = newest.filter((entry) => entry.method !== "GET").slice(0, 8);
  replaceWhenChanged(find("newest"), JSON.stringify(arrived), () => arrived.map(arrival));
  replaceWhenChanged(find("refused"), JSON.stringify(refused), () => (refused.length ? refused.map(arrival) : [make("li", "soft", text("Nothing was refused."))]));
}

// The two stories of DX's documentation: https://help.getdx.com/en/articles/7669458-deployments-api

const on = (words) => Date.parse(words) / 1000;
const commit = (letter) => letter.charCodeAt(0).toString(16).padEnd(40, "0");

function merge(repository, number, merged, title) {
  return { repository, number, base_ref: "main", merged_at: on(merged), merge_commit_sha: commit(title.slice(-1)), title, author: "story" };
}

function monorepo(repository, used) {
  const changed = ["service_a", "service_b", "service_a"];
  return {
    pulls: changed.map((service, index) => merge(repository, index + 1, `2024-03-01T${index + 10}:00:00Z`, `Change ${service}: commit ${"ABC"[index]}`)),
    services: used ? changed.map((service, index) => ({ repository, pull_number: index + 1, services: [service] })) : [],
    deployments: [{ reference_id: `${repository}-1`, service: "service_a", repository, deployed_at: on("2024-03-01T12:01:00Z"), commit_sha: commit("C") }],
  };
}

const stories = {
  "story-commits": {
    pulls: [..."ABCDE"].map((letter, index) => merge("story/commits", index + 1, `2024-0${index < 2 ? 2 : 5}-1${index}T10:00:00Z`, `Commit ${letter}`)),
    services: [],
    deployments: [["1", "2024-03-01", "B"], ["2", "2024-06-01", "E"]].map(([number, date, letter]) => ({ reference_id: `story/commits-${number}`,
      service: "shop", repository: "story/commits", deployed_at: on(`${date}T00:00:00Z`), commit_sha: commit(letter) })),
  },
  "story-with": monorepo("story/with-services", true),
  "story-without": monorepo("story/without-services", false),
};

async function post(path, body) {
  const headers = { "Content-Type": "application/json", Authorization: "Bearer sandbox-token" };
  const reply = await (await fetch(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
  if (!reply.ok) throw new Error(`${reply.error}: ${reply.message ?? ""}`);
}

function conclusion({ pulls: merged, deployments: out }) {
  const name = (key) => ledger.pull_requests[key]?.title ?? key;
  const brought = out.map((one) => {
    const all = ledger.attributions[one.reference_id].pull_requests.map(({ key, lead_time: lead }) => make("li", "", text(`#${key.split("#")[1]} ${name(key)}`), text(" "), span("lead", `${duration(lead)} after the merge`)));
    const to = link(hash("dx", { "deployments.search": one.reference_id }), text(`Deployment ${one.reference_id.split("-").pop()} of ${one.service}`));
    return make("div", "", make("p", "strong", to), make("ul", "", ...all));
  });
  const left = merged.map((one) => `${one.repository}#${one.number}`).filter((key) => !ledger.pull_requests[key]?.deployed_by.length);
  const rest = left.length ? `Not deployed: ${left.map((key) => `#${key.split("#")[1]} ${name(key)}`).join(", ")}.` : "Every pull request is deployed.";
  return [...brought, make("p", "soft", text(rest))];
}

async function play(id) {
  const story = stories[id];
  const result = find("conclusion");
  try {
    await post("sandbox/pull-requests", story.pulls);
    for (const body of story.services) await post("api/deployments.setPullServices", body);
    for (const body of story.deployments) await post("api/deployments.create", body);
    await refresh();
    result.replaceChildren(make("h3", "", text(find(id).textContent)), ...conclusion(story));
  } catch (error) {
    result.replaceChildren(make("p", "bad", text(`The sandbox did not take the story. ${error.message}`)));
  }
}

// Live

function settings() {
  const dci = `export DCI_CS_URL=${location.origin}\nexport DCI_CLIENT_ID=${ledger.dci.client_id}`;
  find("dci-settings").textContent = `${dci}\n# and DCI_API_SECRET as it was printed where the sandbox started`;
  const files = `# pipeline files:\n${ledger.dataops.files.map((file) => `#   ${file}`).join("\n")}`;
  find("dataops-settings").textContent = `export CIBEACON_DATAOPS_URL=${location.origin}\nexport CIBEACON_DATAOPS_PROJECT=${ledger.dataops.project}\n# and the token as it was printed where the sandbox started\n${files}`;
  find("flow-settings").textContent = `export CIBEACON_FLOW_URL=${location.origin}\nexport CIBEACON_FLOW_CONTEXT=${Object.keys(ledger.flow)[0] ?? ""}\n# and the token as it was printed where the sandbox started`;
  const report = `export CIBEACON_DX_URL=${location.origin}\nexport DX_API_TOKEN=sandbox-token\ncibeacon report --no-dry-run --run-id=1`;
  for (const element of document.querySelectorAll(".dx-settings")) element.textContent = report;
}

function live(state, words) {
  if (find("live").textContent === words) return;
  find("live").className = `live ${state}`;
  find("live").textContent = words;
}

async function refresh() {
  try {
    const reply = await (await fetch("ledger", { cache: "no-store" })).text();
    if (reply !== shown) {
      ledger = JSON.parse(reply);
      shown = reply;
      changes += 1;
      settings();
      route();
    } else if (address()[0] === "overview") overview(); // minutes pass
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

for (const id of Object.keys(stories)) find(id).addEventListener("click", () => play(id));
addEventListener("hashchange", () => {
  route();
  const [asked] = [...address()[1].keys()];
  find(asked?.split(".")[0])?.scrollIntoView();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
route();
poll();
