// DX

addTab("dx", {
  label: "DX",
  colour: "#7b61d6",
  title: "DX",
  lede: "Deployments, the pull requests that DX would attribute to them, pipeline runs, and the workflow runs that started them.",
  start: "Send something to DX",
  settings: () => `export CIBEACON_DX_URL=${location.origin}\n# unless the sandbox was started with another --token:\nexport DX_API_TOKEN=sandbox-token\ncibeacon report --no-dry-run --run-id=1 --repository=acme/shop`,
  count: (ledger) => size(ledger.deployments) + size(ledger.pipeline_runs),
});

const outcome = ({ attribution }) => (attribution.pull_requests.length ? "attributed" : attribution.waits ? "waiting" : "nothing new");

function attributed({ attribution, pulls }) {
  const rows = attribution.pull_requests.map(({ key, lead_time: seconds }) => {
    const name = link(hash("dx", { "pulls.search": key }), text(key));
    return make("span", "line", name, text(" "), span("soft", pulls[key]?.title ?? ""), text(" "), lead(seconds));
  });
  const waits = attribution.waits ? make("span", "line", pill("waiting", attribution.waits)) : null;
  const none = rows.length || waits ? null : span("soft", "no pull request that was not deployed before");
  const [mode, rule] = String(attribution.mode).split(": ");
  return [...folded(4, (number) => `${number} more`, rows), waits, none, titled(second(`by ${mode}`), rule ?? mode)];
}

function deployedCode(one) {
  const commits = (one.merge_commit_shas ?? [one.commit_sha ?? ""]).filter(Boolean).map((sha) => titled(span("second mono", short(sha)), sha));
  return [text(one.repository ?? "–"), ...folded(3, (number) => `${number} more`, commits), second(one.integration_branch ? `by way of ${one.integration_branch}` : "")];
}

addTable("dx", "deployments", {
  title: "Deployments",
  note: "What was deployed, and the pull requests that DX would attribute to it.",
  unit: "deployment",
  records: (ledger) => keyed(ledger.deployments, (key) => ({ attribution: ledger.attributions[key],
    pulls: Object.fromEntries(ledger.attributions[key].pull_requests.map(({ key: name }) => [name, ledger.pull_requests[name]])) })),
  start: "-Deployed",
  filters: {
    service: (one) => [one.service], repository: (one) => [one.repository], environment: (one) => [one.environment],
    status: (one) => [outcome(one), one.success === false ? "failed" : ""],
  },
  words: (one) => [one.key, one.service, one.repository, one.commit_sha, one.environment, one.source_name,
    ...(one.merge_commit_shas ?? []), ...one.attribution.pull_requests.flatMap(({ key }) => [key, one.pulls[key]?.title])],
  columns: {
    Service: { sort: (one) => one.service, cell: (one) => [span("strong", one.service), second(one.environment), one.success === false ? pill("failed") : null] },
    "Pull requests": { className: "wide", sort: (one) => one.attribution.pull_requests.length, cell: attributed },
    Code: { sort: (one) => one.repository, cell: deployedCode },
    Deployed: { sort: (one) => one.deployed_at, cell: (one) => [when(one.deployed_at), second(one.source_name), more("reference_id", span("line mono", one.key))] },
  },
});

const pullStatus = (one) => (!one.imported ? "not imported yet" : one.deployed_by.length ? "deployed" : "not deployed");

function deployedBy(one) {
  if (!one.parts.length) return [one.imported ? span("soft", "not deployed") : text("–")];
  return one.parts.map(([reference, service, moment]) => make("span", "line", link(hash("dx", { "deployments.search": reference }), text(service ?? reference)),
    text(" "), ...(moment ? [when(moment), text(" "), one.merged_at === undefined ? null : lead(moment - one.merged_at)] : [])));
}

addTable("dx", "pulls", {
  title: "Pull requests",
  note: "What DX would have imported, the services that each changed, and the deployments that it was part of.",
  unit: "pull request",
  records: (ledger) => keyed(ledger.pull_requests, (key, record) => ({
    repository: record.repository ?? (key.includes("#") ? key.slice(0, key.lastIndexOf("#")) : undefined),
    parts: record.deployed_by.map((reference) => [reference, ledger.deployments[reference]?.service, ledger.deployments[reference]?.deployed_at]) })),
  start: "-Merged",
  filters: { service: (one) => one.services, repository: (one) => [one.repository], status: (one) => [pullStatus(one)] },
  words: (one) => [one.key, one.title, one.author, one.base_ref, one.merge_commit_sha, one.github_pull_id, ...one.services],
  columns: {
    "Pull request": { className: "half", sort: (one) => one.key, cell: (one) => [span("strong", one.imported || one.key.includes("#") ? one.key : `GitHub's id ${one.key}`),
      second(one.title), second([one.author, one.base_ref ? `into ${one.base_ref}` : ""].filter(Boolean).join(" "))] },
    Services: { sort: (one) => one.services.join(), cell: (one) => listed(one.services, span("soft", "any service")) },
    Merged: { sort: (one) => one.merged_at ?? 0, cell: (one) => (one.imported ? [when(one.merged_at), titled(span("second mono", short(one.merge_commit_sha)), one.merge_commit_sha)] : [pill("waiting", "not imported yet")]) },
    Deployed: { className: "half", sort: (one) => one.parts.length, cell: deployedBy },
  },
});

function notified(one) {
  const parts = one.all.map((each) => make("li", "", pill(each.status ?? "unknown"), make("span", "line", text("started "), exactly(each.started_at)),
    each.finished_at === undefined ? null : make("span", "line", text("finished "), exactly(each.finished_at))));
  return more(plural(one.all.length, "notification"), make("ol", "", ...parts));
}

addTable("dx", "runs", {
  title: "Pipeline runs",
  note: "All notifications of a run, folded into one record. A status only climbs: unknown, running, success, cancelled, failure.",
  unit: "run",
  records: (ledger) => keyed(ledger.pipeline_runs, (key) => ({ all: ledger.notifications[key] })),
  start: "-Started",
  filters: { pipeline: (one) => [one.pipeline_name], repository: (one) => [one.repository], status: (one) => [one.status] },
  words: (one) => [one.key, one.pipeline_name, one.pipeline_source, one.repository, one.head_branch, one.commit_sha, one.email, one.github_username],
  columns: {
    Status: { sort: (one) => one.status, cell: (one) => [pill(one.status)] },
    Pipeline: { className: "half", sort: (one) => one.pipeline_name, cell: (one) => [titled(span("strong", one.pipeline_name), one.key), second(one.pipeline_source)] },
    Code: { className: "half", sort: (one) => one.repository, cell: (one) => [text((one.repository ?? "–") + (one.pr_number ? `#${one.pr_number}` : "")),
      second([one.head_branch, one.commit_sha ? short(one.commit_sha) : ""].filter(Boolean).join(" @ "))] },
    Started: { sort: (one) => one.started_at, cell: (one) => [when(one.started_at)] },
    Duration: { className: "number", sort: (one) => one.duration ?? -1, cell: (one) => [text(duration(one.duration))] },
    Notifications: { sort: (one) => one.notifications, cell: (one) => [notified(one)] },
  },
});
