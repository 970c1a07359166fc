// DataOps.live

addTab("dataops", {
  label: "DataOps.live",
  colour: "#2f86d6",
  title: "DataOps.live",
  lede: "Pipelines that were started here, job by job, with the end of each log.",
  start: "Start something on DataOps.live",
  settings: (ledger) => {
    const first = ledger.dataops.files.find((file) => file.startsWith("full")) ?? ledger.dataops.files[0] ?? "";
    const files = `cibeacon dataops trigger --no-dry-run --ref main --pipeline-file ${first}\n# pipeline files:\n${ledger.dataops.files.map((file) => `#   ${file}`).join("\n")}`;
    return `export CIBEACON_DATAOPS_URL=${location.origin}\nexport CIBEACON_DATAOPS_PROJECT=${ledger.dataops.project}\n# and the token as it was printed where the sandbox started\n${files}`;
  },
  count: (ledger) => size(ledger.dataops.pipelines),
});

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

addTable("dataops", "pipelines", {
  title: "Pipelines",
  note: "Stages from left to right. A struck-through job was retried. Open a job to read the end of its log.",
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
});

addTable("dataops", "schedules", {
  title: "Schedules",
  note: "Stored, but started only when you play them.",
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
});
