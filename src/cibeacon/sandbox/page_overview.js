// Overview

const MINUTES = 5;
const MOST = 8;
const BARS = 60;
const BAR_SECONDS = 30;

function replaceWhenChanged(element, content, parts) {
  if (element.dataset.content === content) return;
  element.dataset.content = content;
  element.replaceChildren(...parts());
}

// An ordered fault is no verdict of the vendor's.
const isRefused = (entry) => entry.error && !entry.fault;

function counted(entries) {
  const refused = entries.filter(isRefused).length;
  const failed = entries.filter((entry) => entry.error && entry.fault).length;
  const words = [plural(entries.length, "request"), refused ? `${refused.toLocaleString("en")} refused` : "none refused"];
  return [...words, ...(failed ? [`${failed.toLocaleString("en")} failed on order`] : [])].join(", ");
}

// The requests of the last half hour, refused ones on top of accepted ones, and the newest at the right.
function activity() {
  const end = Math.floor(Date.now() / 1000 / BAR_SECONDS);
  const counts = Array.from({ length: BARS }, () => [0, 0]);
  for (const entry of ledger.requests) {
    const bar = counts[BARS - 1 - (end - Math.floor(entry.time / BAR_SECONDS))];
    if (bar) bar[entry.error ? 1 : 0] += 1;
  }
  const most = Math.max(1, ...counts.map(([good, bad]) => good + bad));
  const recent = ledger.requests.filter((entry) => entry.time >= Date.now() / 1000 - MINUTES * 60);
  const all = ledger.requests.filter((entry) => entry.time >= (end - BARS + 1) * BAR_SECONDS);
  find("activity-words").textContent = `${counted(all)}. In the last ${MINUTES} minutes: ${counted(recent)}.`;
  replaceWhenChanged(find("activity"), JSON.stringify([end, counts]), () => counts.map(([good, bad], index) => {
    const from = new Date((end - BARS + 1 + index) * BAR_SECONDS * 1000);
    const bar = titled(make("div", "column"), good + bad ? `${timeOfDay.format(from)}: ${good} accepted, ${bad} refused or failed` : "");
    for (const [number, kind] of [[bad, "failure"], [good, "success"]]) {
      if (!number) continue;
      const part = make("span", kind);
      part.style.height = `${(100 * number) / most}%`;
      bar.append(part);
    }
    return bar;
  }));
}

function tile(to, figure, words, odd) {
  const inside = [span("figure", typeof figure === "number" ? figure.toLocaleString("en") : figure), span("", words), odd ? span("odd", odd) : null];
  return make("li", "", link(to, ...inside));
}

function median(numbers) {
  const sorted = numbers.slice().sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function tiles() {
  const values = (records) => Object.values(records);
  const count = (list, test) => list.filter(test).length;
  const some = (number, words) => (number ? `${number.toLocaleString("en")} ${words}` : "");
  const word = (list, one, many = `${one}s`) => (list.length === 1 ? one : many);
  const [attributions, merged, went] = [ledger.attributions, ledger.pull_requests, ledger.pipeline_runs].map(values);
  const [all, started] = [values(ledger.dci.jobs), values(ledger.dataops.pipelines)];
  const leads = attributions.flatMap((one) => one.pull_requests.map((pull) => pull.lead_time));
  const waiting = ledger.spool?.waiting ?? 0;
  return [
    tile("#dx", attributions.length, word(attributions, "deployment"), some(count(attributions, (one) => one.waits), "waiting for pull requests")),
    tile("#dx", leads.length ? roughly(median(leads)) : "–", "median lead time, from merge to deployment"),
    tile(hash("dx", { "pulls.sort": "-Merged" }), merged.length, word(merged, "pull request"), some(count(merged, (one) => one.imported && !one.deployed_by.length), "not deployed")),
    tile(hash("dx", { "runs.sort": "-Started" }), went.length, word(went, "pipeline run"), some(count(went, (run) => run.status === "failure"), "failed")),
    tile("#dci", all.length, word(all, "DCI job"), some(count(all, (job) => ["failure", "error"].includes(job.status)), "failed")),
    tile("#dataops", started.length, word(started, "DataOps.live pipeline"), some(count(started, (one) => one.status === "failed"), "failed")),
    ...(ledger.spool ? [tile("#outage", waiting, `${waiting === 1 ? "signal waits" : "signals wait"} in the spool`)] : []),
  ];
}

function arrival(entry) {
  const reason = entry.error ? span("reason", `${entry.error}${entry.message ? `: ${entry.message}` : ""}`) : second(gist(entry));
  return make("li", "", status(entry), make("span", "what", toRequest(entry, called(entry)), text(" "), vendorOf(entry), text(" "), faulty(entry), reason), when(entry.time));
}

function overview() {
  const newest = ledger.requests.slice().reverse();
  const refused = newest.filter(isRefused).slice(0, MOST);
  find("begin").hidden = ledger.received > 0;
  find("arrived").hidden = ledger.received === 0;
  activity();
  replaceWhenChanged(find("tiles"), String(changes), tiles);
  const arrived = newest.filter((entry) => entry.method !== "GET").slice(0, MOST);
  replaceWhenChanged(find("newest"), JSON.stringify(arrived), () => arrived.map(arrival));
  replaceWhenChanged(find("refused"), JSON.stringify(refused), () => (refused.length ? refused.map(arrival) : [make("li", "soft", text("Nothing was refused."))]));
}

// The two stories of DX's documentation, which the sandbox reports to itself

function conclusion({ pull_requests: merged, deployments: out }) {
  const name = (key) => `#${key.split("#")[1]} ${ledger.pull_requests[key]?.title ?? ""}`;
  const parts = out.map((reference) => {
    const all = ledger.attributions[reference].pull_requests.map(({ key, lead_time: seconds }) => make("li", "", text(name(key)), text(" "), lead(seconds)));
    const to = link(hash("dx", { "deployments.search": reference }), text(`Deployment ${reference.split("-").pop()} of ${ledger.deployments[reference].service}`));
    return make("div", "", make("p", "strong", to), make("ul", "", ...all));
  });
  const left = merged.filter((key) => !ledger.pull_requests[key]?.deployed_by.length);
  return [make("div", "deployed", ...parts), make("p", "soft", text(left.length ? `Not deployed: ${left.map(name).join(", ")}.` : "Every pull request is deployed."))];
}

async function play(button) {
  const result = find("conclusion");
  try {
    const answer = await (await fetch(`sandbox/stories/${button.id.replace("story-", "")}`, { method: "POST" })).json();
    if (!answer.ok) throw new Error(`${answer.error}: ${answer.message ?? ""}`);
    await refresh();
    result.replaceChildren(make("h3", "", text(button.textContent)), ...conclusion(answer));
  } catch (error) {
    result.replaceChildren(make("p", "bad", text(`The sandbox rejected the story. ${error.message}`)));
  }
}

for (const button of document.querySelectorAll(".stories button")) button.addEventListener("click", () => play(button));
