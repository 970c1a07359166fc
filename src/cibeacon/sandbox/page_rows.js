const pill = (status, words = status) => span(`pill ${tones[status] ?? status}${words.length > 24 ? " long" : ""}`, words);
const tones = { killed: "cancelled", error: "failure", failed: "failure", canceled: "cancelled", canceling: "cancelled",
  manual: "cancelled", "pre-run": "running", "post-run": "running", waiting: "cancelled" };
const keyed = (records, more = () => ({})) => Object.entries(records).map(([key, record]) => ({ ...record, ...more(key, record), key })).reverse();
const listed = (values, ...none) => (values.length ? values.map((value) => span("chip", value)) : none);
const lines = (values) => Object.entries(values).map(([name, value]) => span("line mono", `${name}=${value}`));
const at = (iso) => Date.parse(/Z|[+-]\d\d:\d\d$/.test(iso) ? iso : `${iso}Z`) / 1000; // DCI's times are in UTC and do not say so

function amount(bytes) {
  return bytes < 1024 ? `${bytes} B` : bytes < 1048576 ? `${Math.round(bytes / 1024)} KiB` : `${Math.round(bytes / 1048576)} MiB`;
}

function folded(number, words, parts) {
  if (parts.length <= number) return parts;
  return [...parts.slice(0, number), make("details", "more", make("summary", "", text(words(parts.length - number))), ...parts.slice(number))];
}

// DX

const outcome = ({ attribution }) => (attribution.pull_requests.length ? "attributed" : attribution.waits ? "waiting" : "nothing new");

function attributed({ attribution, pulls }) {
  const rows = attribution.pull_requests.map(({ key, lead_time: lead }) => {
    const name = link(hash("dx", { "pulls.search": key }), text(key));
    return make("span", "line", name, text(" "), span("soft", pulls[key]?.title ?? ""), text(" "), span("lead", `${duration(lead)} after the merge`));
  });
  const waits = attribution.waits ? make("span", "line", pill("waiting", attribution.waits)) : null;
  const none = rows.length || waits ? null : span("soft", "no pull request that was not deployed before");
  return [...folded(4, (more) => `${more} more`, rows), waits, none, second(attribution.mode)];
}

const deployments = {
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
    Code: { sort: (one) => one.repository, cell: (one) => [text(one.repository ?? "–"),
      second((one.merge_commit_shas ?? [one.commit_sha ?? ""]).map(short).join(", ")),
      second(one.integration_branch ? `by way of ${one.integration_branch}` : "")] },
    Deployed: { sort: (one) => one.deployed_at, cell: (one) => [when(one.deployed_at), second(one.source_name), titled(span("second mono", one.key), "reference_id")] },
  },
};

const pullStatus = (one) => (!one.imported ? "not imported yet" : one.deployed_by.length ? "deployed" : "not deployed");

const pulls = {
  unit: "pull request",
  records: (ledger) => keyed(ledger.pull_requests, (key, record) => ({
    repository: record.repository ?? (key.includes("#") ? key.slice(0, key.lastIndexOf("#")) : undefined),
    brought: record.deployed_by.map((reference) => [reference, ledger.deployments[reference]?.service, ledger.deployments[reference]?.deployed_at]) })),
  start: "-Merged",
  filters: { service: (one) => one.services, repository: (one) => [one.repository], status: (one) => [pullStatus(one)] },
  words: (one) => [one.key, one.title, one.author, one.base_ref, one.merge_commit_sha, one.github_pull_id, ...one.services],
  columns: {
    "Pull request": { className: "half", sort: (one) => one.key, cell: (one) => [span("strong", one.imported || one.key.includes("#") ? one.key : `GitHub's id ${one.key}`),
      second(one.title), second([one.author, one.base_ref ? `into ${one.base_ref}` : ""].filter(Boolean).join(" "))] },
    Services: { sort: (one) => one.services.join(), cell: (one) => listed(one.services, span("soft", "any service")) },
    Merged: { sort: (one) => one.merged_at ?? 0, cell: (one) => (one.imported ? [when(one.merged_at), span("second mono", short(one.merge_commit_sha))] : [pill("waiting", "not imported yet")]) },
    Deployed: { sort: (one) => one.brought.length, cell: (one) => (one.brought.length ? one.brought.map(([reference, service, moment]) =>
      make("span", "line", link(hash("dx", { "deployments.search": reference }), text(service ?? reference)), text(" "), moment ? when(moment) : null,
        text(" "), span("lead", `${duration(moment - one.merged_at)} after the merge`))) : [span("soft", one.imported ? "not deployed" : "–")]) },
  },
};

function notified(one) {
  const parts = one.all.map((each) => make("li", "", pill(each.status ?? "unknown"), make("span", "line", text("started "), exactly(each.started_at)),
    each.finished_at === undefined ? null : make("span", "line", text("finished "), exactly(each.finished_at))));
  return make("details", "more", make("summary", "", text(plural(one.all.length, "notification"))), make("ol", "", ...parts));
}

const runs = {
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
};

// DCI

const ENDED = ["success", "failure", "error", "killed"];

function timeline(job) {
  const bar = make("div", "timeline");
  bar.ariaHidden = "true";
  const words = make("ol", "states");
  job.timeline.forEach(([status, comment, created], index) => {
    const next = job.timeline[index + 1];
    const from = at(created);
    const seconds = next ? at(next[2]) - from : ENDED.includes(status) ? null : Date.now() / 1000 - from;
    const part = make("span", `part ${tones[status] ?? status}`);
    part.style.flexGrow = String(Math.max(0, seconds ?? 0));
    bar.append(titled(part, `${status} ${comment ?? ""}`));
    const stays = seconds === null ? "" : next ? duration(seconds) : "until now";
    words.append(make("li", "", pill(status), text(" "), titled(span("soft", stays), absolute.format(new Date(from * 1000))), second(comment)));
  });
  return [bar, words];
}

function tests(result) {
  const odd = [[result.failures, "failed"], [result.errors, "errors"], [result.skips, "skipped"],
    [result.regressions, "regressions"]].filter(([number]) => number > 0).map(([number, word]) => `${number} ${word}`);
  return [`${result.success} of ${result.total} passed`, ...odd].join(", ");
}

function tested(job) {
  const results = job.results.map((result) => make("span", "line", text(tests(result)), second(`${result.name}, ${duration(result.time)}`)));
  const failing = job.failing.map((name) => span("line bad", name));
  return [...results, ...(failing.length ? [make("details", "more", make("summary", "", text(plural(failing.length, "failing case"))), ...failing)] : [])];
}

const jobs = {
  unit: "job",
  records: (ledger) => keyed(ledger.dci.jobs),
  start: "-Created",
  filters: { topic: (job) => [job.topic], tag: (job) => job.tags, status: (job) => [job.status] },
  words: (job) => [job.key, job.name, job.topic, job.configuration, ...job.tags, ...job.files.map((file) => file.name)],
  columns: {
    Status: { sort: (job) => job.status, cell: (job) => [pill(job.status)] },
    Job: { sort: (job) => job.name ?? job.key, cell: (job) => [titled(span("strong", job.name ?? job.key), job.key),
      second([job.topic, job.configuration, ...job.tags].filter(Boolean).join(", ")), second(plural(job.components.length, "component")), ...lines(job.keys_values)] },
    States: { className: "wide", cell: timeline },
    Files: { sort: (job) => job.files.length, cell: (job) => folded(4, (more) => `${more} more`,
      job.files.map((file) => make("span", "line", text(file.name), second(`${amount(file.size)} ${file.mime ?? ""}`)))) },
    Tests: { cell: tested },
    Created: { sort: (job) => job.created_at, cell: (job) => [when(at(job.created_at)), second(`${plural(job.notifications, "notification")} sent`)] },
  },
};

// DataOps.live

const pipelines = {
  unit: "pipeline",
  records: (ledger) => keyed(ledger.dataops.pipelines),
  start: "-Pipeline",
  filters: { project: (line) => [line.project], ref: (line) => [line.ref], status: (line) => [line.status] },
  words: (line) => [line.key, line.project, line.ref, line.file, line.user, line.source, ...line.jobs.map((job) => job.name), ...Object.entries(line.variables).flat()],
  columns: {
    Status: { sort: (line) => line.status, cell: (line) => [pill(line.status)] },
    Pipeline: { sort: (line) => Number(line.key), cell: (line) => [span("strong", line.key), second(`${line.project} @ ${line.ref}`), second(line.file)] },
    Jobs: { className: "wide", cell: (line) => folded(12, (more) => `${more} more`, line.jobs.map((job) => make("span", "line",
      pill(job.status), text(" "), make(job.retried ? "s" : "span", "", text(job.name)),
      second([job.stage, job.retried ? "tried again" : "", job.downstream ? `pipeline ${job.downstream}` : `${amount(job.log)} of log`].filter(Boolean).join(", "))))) },
    Variables: { cell: (line) => lines(line.variables) },
    Started: { sort: (line) => line.created_at, cell: (line) => [when(line.created_at),
      second(`${line.source}, ${line.parent ? `pipeline ${line.parent}` : line.schedule ? `schedule ${line.schedule}` : line.user}`),
      second(line.finished_at && line.started_at ? `took ${duration(line.finished_at - line.started_at)}` : "")] },
  },
};

const schedules = {
  unit: "schedule",
  records: (ledger) => keyed(ledger.dataops.schedules),
  filters: { project: (one) => [one.project] },
  words: (one) => [one.key, one.description, one.ref, one.cron],
  columns: {
    Schedule: { className: "wide", sort: (one) => one.description, cell: (one) => [span("strong", one.description), second(`${one.key}${one.active ? "" : ", inactive"}`)] },
    When: { cell: (one) => [span("mono", one.cron), second(one.cron_timezone)] },
    Ref: { sort: (one) => one.ref, cell: (one) => [text(one.ref), second(one.project)] },
    Variables: { cell: (one) => lines(one.variables) },
  },
};

// Instabase Flow

const flows = {
  unit: "job",
  records: (ledger) => Object.entries(ledger.flow).flatMap(([context, held]) =>
    Object.entries(held.jobs).map(([key, all]) => ({ key, context, pipelines: all.map((one) => one.name) }))),
  filters: { context: (job) => [job.context], pipeline: (job) => job.pipelines },
  words: (job) => [job.key, job.context, ...job.pipelines],
  columns: {
    Job: { className: "wide", sort: (job) => job.key, cell: (job) => [span("mono", job.key)] },
    Context: { sort: (job) => job.context, cell: (job) => [text(job.context)] },
    Pipelines: { sort: (job) => job.pipelines.join(), cell: (job) => listed(job.pipelines, span("soft", "none")) },
  },
};

// Requests

function vendor({ path }) {
  if (path.startsWith("/api/v4/")) return "DataOps.live";
  if (/^\/api\/v1\/(flow\/pipeline|jobs\/pipelines)/.test(path)) return "Flow";
  return path.startsWith("/api/v1/") ? "DCI" : "DX";
}

const verdict = (entry) => (entry.error ? "refused" : "accepted");
const called = (entry) => (entry.method === "POST" ? "" : `${entry.method} `) + entry.path.replace(/^\/api\/(v\d\/)?/, "");

function gist(body) {
  const services = Array.isArray(body?.services) ? body.services : [body?.service];
  const named = services.map((service) => service?.identifier ?? service);
  return [body?.pipeline_name, body?.name, body?.["DCI-NAME"], body?.status, ...named].filter((part) => typeof part === "string").join(", ");
}

function judged(entry) {
  const name = (term, value) => (value ? [make("dt", "", text(term)), make("dd", "", ...[value].flat())] : []);
  return make("dl", "", ...name("Verdict", pill(entry.error ? "failed" : "success", verdict(entry))), ...name("Answer", text(entry.status)),
    ...name("Error", entry.error ? text(entry.error) : null), ...name("Rule that it broke", entry.error ? text(entry.message ?? "The vendor gives no reason.") : null),
    ...name("Request", text(`${entry.method} ${entry.path}`)), ...name("Received", when(entry.time)));
}

const requests = {
  unit: "request",
  records: (ledger) => ledger.requests.map((entry) => ({ ...entry, key: entry.seq })).reverse(),
  filters: { verdict: (entry) => [verdict(entry)], vendor: (entry) => [vendor(entry)], method: (entry) => [called(entry)] },
  words: (entry) => [`request ${entry.seq}.`, entry.path, entry.status, entry.error, entry.message, JSON.stringify(entry.body)],
  item(entry) {
    const what = make("span", "what", text(called(entry)), entry.error ? span("bad", ` ${entry.error}`) : null, text(" "), span("gist", gist(entry.body)));
    const summary = make("summary", "", span("seq", entry.seq), pill(entry.error ? "failed" : "success", String(entry.status)), what, span("soft vendor", vendor(entry)), when(entry.time));
    const body = make("pre", "", text(entry.body === null ? "No JSON body." : JSON.stringify(entry.body, null, 2)));
    body.tabIndex = 0;
    body.ariaLabel = "Body";
    const details = make("details", "", summary, make("div", "beside", judged(entry), body));
    details.open = address()[1].get("requests.search") === `request ${entry.seq}.`;
    return make("li", entry.error ? "failed" : "", details);
  },
};
