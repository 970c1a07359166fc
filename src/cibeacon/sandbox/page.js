const tables = {
  deployments: new Table("deployments", deployments), pulls: new Table("pulls", pulls), runs: new Table("runs", runs),
  "workflow-runs": new Table("workflow-runs", workflowRuns),
  jobs: new Table("jobs", jobs), pipelines: new Table("pipelines", pipelines), schedules: new Table("schedules", schedules),
  flows: new Table("flows", flows), lakes: new Table("lakes", lakes), traces: new Table("traces", traces), requests: new Table("requests", requests), spool: new Table("spool", spool),
};
const tabs = {
  overview: [], dx: ["deployments", "pulls", "runs", "workflow-runs"], dci: ["jobs"], dataops: ["pipelines", "schedules"], flow: ["flows"], otlp: ["traces"], devlake: ["lakes"],
  requests: ["requests"], outage: ["spool"],
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
  if (current === asked) find(`to-${current}`).href = hash(current, parameters); // so that a tab comes back as it was left
  document.title = `${find(`to-${current}`).firstChild.textContent.trim()} – cibeacon sandbox`;
  if (!ledger) return;
  for (const name of tabs[current]) {
    tables[name].update(ledger);
    tables[name].show(parameters);
  }
  if (current === "overview") overview();
  outage();
  const empty = tabs[current].length > 0 && tabs[current].every((name) => tables[name].all.length === 0);
  const start = find(`tab-${current}`).querySelector(".start");
  if (start && start.dataset.empty !== String(empty)) {
    start.dataset.empty = String(empty);
    start.open = empty; // once it has changed the reader decides
  }
}

function badges() {
  const size = (records) => Object.keys(records).length;
  const numbers = {
    dx: size(ledger.deployments) + size(ledger.pipeline_runs), dci: size(ledger.dci.jobs), dataops: size(ledger.dataops.pipelines),
    flow: Object.values(ledger.flow).reduce((sum, context) => sum + size(context.jobs), 0), otlp: size(ledger.otlp.traces), devlake: size(ledger.devlake.deployments), requests: ledger.received, outage: ledger.spool?.waiting ?? 0,
  };
  for (const [name, number] of Object.entries(numbers)) find(`to-${name}`).querySelector(".badge").textContent = number ? number.toLocaleString("en") : "";
}

// Live

function settings() {
  const dci = `export DCI_CS_URL=${location.origin}\nexport DCI_CLIENT_ID=${ledger.dci.client_id}`;
  find("dci-settings").textContent = `${dci}\n# and DCI_API_SECRET as it was printed where the sandbox started\ncibeacon dci start --no-dry-run --topic ${ledger.dci.topics[0] ?? ""}`;
  const first = ledger.dataops.files.find((file) => file.startsWith("full")) ?? ledger.dataops.files[0] ?? "";
  const files = `cibeacon dataops trigger --no-dry-run --ref main --pipeline-file ${first}\n# pipeline files:\n${ledger.dataops.files.map((file) => `#   ${file}`).join("\n")}`;
  find("dataops-settings").textContent = `export CIBEACON_DATAOPS_URL=${location.origin}\nexport CIBEACON_DATAOPS_PROJECT=${ledger.dataops.project}\n# and the token as it was printed where the sandbox started\n${files}`;
  find("flow-settings").textContent = `export CIBEACON_FLOW_URL=${location.origin}\nexport CIBEACON_FLOW_CONTEXT=${Object.keys(ledger.flow)[0] ?? ""}\n# and the token as it was printed where the sandbox started\ncibeacon flow list`;
  find("otlp-settings").textContent = `export CIBEACON_OTLP_ENDPOINT=${location.origin}\ncibeacon report --no-dry-run --run-id=1 --repository=acme/shop --status=success`;
  find("devlake-settings").textContent = `export CIBEACON_DEVLAKE_URL=${location.origin}/api/rest/plugins/webhook/connections/1/deployments\n# and the token as it was printed where the sandbox started\ncibeacon report --no-dry-run --run-id=1 --repository=git@github.com:acme/shop --deploy-services=checkout`;
  const report = `export CIBEACON_DX_URL=${location.origin}\n# unless the sandbox was started with another --token:\nexport DX_API_TOKEN=sandbox-token\ncibeacon report --no-dry-run --run-id=1 --repository=acme/shop`;
  for (const element of document.querySelectorAll(".dx-settings")) element.textContent = report;
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
