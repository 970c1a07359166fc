// DCI

addTab("dci", {
  label: "DCI",
  colour: "#d9534a",
  title: "DCI",
  lede: "Jobs on Red Hat's Distributed CI: their states over time, their files and their tests.",
  start: "Send something to DCI",
  settings: (ledger) => `export DCI_CS_URL=${location.origin}\nexport DCI_CLIENT_ID=${ledger.dci.client_id}\n# and DCI_API_SECRET as it was printed where the sandbox started\ncibeacon dci start --no-dry-run --topic ${ledger.dci.topics[0] ?? ""}`,
  count: (ledger) => size(ledger.dci.jobs),
});

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

addTable("dci", "jobs", {
  title: "Jobs",
  note: "A bar shows how long each state lasted. Test cases are counted in the JUnit files of a job.",
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
});
