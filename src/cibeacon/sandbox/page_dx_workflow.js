// Runs of DX's self-service workflows, on the tab of DX

colours.dx_workflow = colours.dx;

addTable("dx", "workflow-runs", {
  title: "Workflow runs",
  note: "Runs of self-service workflows: what a CI run said to the one that started it.",
  unit: "workflow run",
  records: (ledger) => keyed(ledger.dx_workflow),
  filters: { status: (one) => [one.status] },
  words: (one) => [one.key, ...one.events.map((event) => event.message), ...one.links.flatMap(Object.values)],
  columns: {
    Status: { sort: (one) => one.status, cell: (one) => [pill({ SUCCEEDED: "success", FAILED: "failed" }[one.status] ?? "running", one.status)] },
    Run: { sort: (one) => one.key, cell: (one) => [span("mono", one.key)] },
    Messages: { className: "wide", cell: (one) => one.events.filter((event) => event.message).map((event) => make("span", "line", text(event.message), second(event.occurred_at))) },
    Links: { className: "half", cell: (one) => one.links.map((each) => make("span", "line", text(each.label), second(each.url))) },
  },
});
