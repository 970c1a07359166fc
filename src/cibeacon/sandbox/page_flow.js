// Instabase Flow

addTab("flow", {
  label: "Flow",
  colour: "#d08a1d",
  title: "Instabase Flow",
  lede: "Jobs, and the pipelines that are assigned to them.",
  start: "Assign pipelines on Instabase Flow",
  settings: (ledger) => `export CIBEACON_FLOW_URL=${location.origin}\nexport CIBEACON_FLOW_CONTEXT=${Object.keys(ledger.flow)[0] ?? ""}\n# and the token as it was printed where the sandbox started\ncibeacon flow list`,
  count: (ledger) => Object.values(ledger.flow).reduce((sum, context) => sum + size(context.jobs), 0),
});

addTable("flow", "flows", {
  title: "Jobs",
  note: "The pipelines, that is the groups of reviewers, which each job has now.",
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
});
