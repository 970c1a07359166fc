// OTLP: a trace as a waterfall

addTab("otlp", {
  label: "OTLP",
  colour: "#4f62ad",
  title: "OTLP",
  lede: "Spans that were exported, as traces. A span that came again has replaced the one before.",
  start: "Send a trace",
  settings: () => `export CIBEACON_OTLP_ENDPOINT=${location.origin}\ncibeacon report --no-dry-run --run-id=1 --repository=acme/shop --status=success`,
  count: (ledger) => size(ledger.otlp.traces),
  gist: (body) => ["resourceSpans", "scopeSpans", "spans"].reduce((all, name) => all.flatMap((one) => one?.[name] ?? []), [body]).map((one) => one?.name).filter((part) => typeof part === "string").join(", "),
});

const DEEPEST = 6; // levels that are indented; what is below stands where these do
const LANES = 100; // spans of a trace that are shown

// Spans below their parents, in the order of their starts; one whose parent is not here is at the top.
function inTree(spans) {
  const ids = new Set(spans.map((one) => one.id));
  const below = (parent) => spans.filter((one) => (ids.has(one.parent) ? one.parent : null) === parent).sort((left, right) => left.start - right.start);
  const placed = [];
  const seen = new Set();
  const place = (one, depth) => {
    if (seen.has(one.id)) return;
    seen.add(one.id);
    placed.push([one, depth]);
    below(one.id).forEach((child) => place(child, depth + 1));
  };
  below(null).forEach((one) => place(one, 0));
  spans.forEach((one) => place(one, 0)); // in a circle
  return placed;
}

function waterfall(trace) {
  const length = Math.max(trace.end - trace.start, 1e-9);
  const lanes = inTree(trace.spans).map(([one, depth]) => {
    const took = one.end - one.start;
    const result = one.attributes["cicd.pipeline.result"] ?? one.attributes["cicd.pipeline.task.run.result"];
    const bar = make("span", `span ${one.error ? "failure" : result === "cancellation" ? "cancelled" : "success"}`);
    bar.style.left = `${(98 * (one.start - trace.start)) / length}%`;
    bar.style.width = `${(98 * took) / length}%`;
    const lane = make("div", "track", bar);
    lane.ariaHidden = "true";
    const label = make("span", "label", text(one.name), text(" "), one.error ? span("bad", "failed") : null, text(" "), span("soft", took ? duration(took) : "a moment"));
    label.style.paddingLeft = `${0.8 * Math.min(depth, DEEPEST)}rem`;
    const attributes = [...Object.entries(one.attributes), ["span", one.id], ...(one.times > 1 ? [["received", `${one.times} times`]] : [])];
    return make("details", "lane", make("summary", "", label, lane), ...lines(Object.fromEntries(attributes)));
  });
  return folded(LANES, (number) => `${number} more spans`, lanes);
}

function traceOf([key, spans]) {
  const first = inTree(spans)[0][0];
  return { key, spans, first, resource: first.resource, start: Math.min(...spans.map((one) => one.start)), end: Math.max(...spans.map((one) => one.end)) };
}

addTable("otlp", "traces", {
  title: "Traces",
  note: "Open a span to read its attributes.",
  unit: "trace",
  records: (ledger) => Object.entries(ledger.otlp.traces).map(traceOf).reverse(),
  start: "-Started",
  filters: { service: (trace) => [trace.resource["service.name"] ?? ""], status: (trace) => [trace.spans.some((one) => one.error) ? "failed" : "no error"] },
  words: (trace) => [trace.key, ...trace.spans.flatMap((one) => [one.name, ...Object.values(one.attributes).flat()]), ...Object.values(trace.resource)],
  columns: {
    Trace: { className: "half", sort: (trace) => trace.first.name, cell: (trace) => [span("strong", trace.first.name), second(trace.resource["service.name"]), second(trace.key), more("Resource", ...lines(trace.resource))] },
    Spans: { className: "most", cell: (trace) => waterfall(trace) },
    Started: { sort: (trace) => trace.start, cell: (trace) => [when(trace.start), second(`took ${duration(trace.end - trace.start)}`)] },
  },
});
