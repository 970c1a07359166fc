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
    const part = make("span", `part ${tone(status)}${status === "pre-run" || status === "post-run" ? " aside" : ""}`);
    part.style.flexGrow = String(Math.max(0, seconds ?? 0));
    bar.append(titled(part, `${status} ${comment ?? ""}`));
    const stays = seconds === null ? clock(from) : next ? `${clock(from)}, for ${duration(seconds)}` : `since ${clock(from)}`;
    words.append(make("li", "", pill(status), text(" "), titled(span("soft", stays), absolute.format(new Date(from * 1000))), second(comment)));
  });
  return [bar, words];
}

// Passed, failed and skipped cases as parts of one bar, and in words.
function tested(job) {
  const results = job.results.flatMap((result) => {
    const counts = [[result.success, "passed", "success"], [result.failures, "failed", "failure"], [result.errors, "errors", "failure"], [result.skips, "skipped", ""]];
    const bar = make("div", "timeline");
    bar.ariaHidden = "true";
    for (const [number, , colour] of counts) {
      if (!number) continue;
      const part = make("span", `part ${colour}`);
      part.style.flexGrow = String(number);
      bar.append(part);
    }
    const odd = [...counts.slice(1), [result.regressions, "regressions"]].filter(([number]) => number > 0).map(([number, word]) => `${number} ${word}`);
    return [make("span", "line", text([`${result.success} of ${result.total} passed`, ...odd].join(", ")), bar, second(`${result.name}, ${duration(result.time)}`))];
  });
  const failing = job.failing.map((name) => span("line bad", name));
  const cases = failing.length ? more(plural(failing.length, "failing case"), ...failing) : null;
  if (cases) cases.open = failing.length <= 5;
  return [...results, cases];
}

const jobs = {
  unit: "job",
  records: (ledger) => keyed(ledger.dci.jobs),
  start: "-Created",
  filters: { topic: (job) => [job.topic], tag: (job) => job.tags, status: (job) => [job.status] },
  words: (job) => [job.key, job.name, job.topic, job.configuration, ...job.tags, ...job.files.map((file) => file.name), ...job.failing],
  columns: {
    Status: { sort: (job) => job.status, cell: (job) => [pill(job.status)] },
    Job: { sort: (job) => job.name ?? job.key, cell: (job) => [titled(span("strong", job.name ?? job.key), job.key),
      second([job.topic, job.configuration].filter(Boolean).join(", ")), ...listed(job.tags), second(job.components.length ? plural(job.components.length, "component") : ""), ...lines(job.keys_values)] },
    States: { className: "half", cell: timeline },
    Tests: { className: "half", cell: tested },
    Files: { sort: (job) => job.files.length, cell: (job) => folded(4, (number) => `${number} more`,
      job.files.map((file) => make("span", "line", text(file.name), second(`${amount(file.size)} ${file.mime ?? ""}`)))) },
    Created: { sort: (job) => job.created_at, cell: (job) => [when(at(job.created_at)), second(job.notifications ? `${plural(job.notifications, "notification")} sent` : "")] },
  },
};

// DataOps.live

function jobOf(job) {
  const words = job.downstream ? `pipeline ${job.downstream}` : [job.retried ? "tried again" : "", job.allow_failure ? "may fail" : ""].filter(Boolean).join(", ");
  const head = [span(`dot ${tone(job.status)}`, ""), make(job.retried ? "s" : "span", "name", text(job.name)), text(" "), span("state", job.status), second(words)];
  if (!job.log_tail) return make("div", "job", ...head);
  const log = make("pre", "", text(job.log_tail));
  log.tabIndex = 0;
  log.ariaLabel = `The end of the log of ${job.name}`;
  return make("details", "job", make("summary", "", ...head), log);
}

function stages(line) {
  const names = [...new Set(line.jobs.map((job) => job.stage))];
  return make("div", "stages", ...names.map((name) => make("div", "stage", span("stage-name", name), ...line.jobs.filter((job) => job.stage === name).map(jobOf))));
}

function began(line) {
  const by = line.parent ? `pipeline ${line.parent}` : line.schedule ? `schedule ${line.schedule}` : line.user;
  const took = line.finished_at && line.started_at ? `took ${duration(Math.round(line.finished_at - line.started_at))}` : "";
  return [when(line.created_at), second(`${line.source}, ${by}`), second(took)];
}

const pipelines = {
  unit: "pipeline",
  records: (ledger) => keyed(ledger.dataops.pipelines),
  start: "-Pipeline",
  filters: { project: (line) => [line.project], ref: (line) => [line.ref], status: (line) => [line.status] },
  words: (line) => [line.key, line.project, line.ref, line.file, line.user, line.source, ...line.jobs.map((job) => job.name), ...Object.entries(line.variables).flat()],
  columns: {
    Status: { sort: (line) => line.status, cell: (line) => [pill(line.status)] },
    Pipeline: { sort: (line) => Number(line.key), cell: (line) => [span("strong", `#${line.key}`), second(`${line.project} @ ${line.ref}`), second(line.file), ...lines(line.variables)] },
    Jobs: { className: "most", cell: (line) => [stages(line)] },
    Started: { sort: (line) => line.created_at, cell: began },
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

// Apache DevLake

const lakes = {
  unit: "deployment",
  records: (ledger) => Object.entries(ledger.devlake.deployments).map(([key, held]) => ({ key, ...held })),
  filters: { environment: (one) => [one.environment], result: (one) => [one.result] },
  words: (one) => [one.key, one.name, one.displayTitle, one.environment, ...one.deploymentCommits.flatMap((commit) => [commit.repoUrl, commit.commitSha])],
  columns: {
    Deployment: { className: "wide", sort: (one) => one.displayTitle, cell: (one) => [text(one.displayTitle), second(one.key)] },
    Environment: { sort: (one) => one.environment, cell: (one) => [text(one.environment), second(one.originalEnvironment)] },
    Result: { sort: (one) => one.result, cell: (one) => [pill(one.result === "SUCCESS" ? "success" : "failed", one.result)] },
    Finished: { sort: (one) => one.finishedDate, cell: (one) => [text(one.finishedDate)] },
    Commits: { cell: (one) => one.deploymentCommits.map((commit) => span("mono", `${commit.repoUrl} ${commit.commitSha.slice(0, 12)}`)) },
  },
};
