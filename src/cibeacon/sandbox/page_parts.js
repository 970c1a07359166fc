// What tables of several vendors show.

const TONES = { killed: "cancelled", error: "failure", failed: "failure", canceled: "cancelled", canceling: "cancelled", manual: "cancelled",
  "pre-run": "running", "post-run": "running", waiting: "cancelled", pending: "quiet", created: "quiet", new: "quiet", unknown: "quiet" };
const tone = (status) => TONES[status] ?? status;
const pill = (status, words = status) => span(`pill ${tone(status)}${words.length > 24 ? " long" : ""}`, words);
const keyed = (records, more = () => ({})) => Object.entries(records).map(([key, record]) => ({ ...record, ...more(key, record), key })).reverse();
const listed = (values, ...none) => (values.length ? values.map((value) => span("chip", value)) : none);
const lines = (values) => Object.entries(values).map(([name, value]) => span("line mono", `${name}=${value}`));
const at = (iso) => Date.parse(/Z|[+-]\d\d:\d\d$/.test(iso) ? iso : `${iso}Z`) / 1000; // DCI's times are in UTC and do not say so

function amount(bytes) {
  return bytes < 1024 ? `${bytes} B` : bytes < 1048576 ? `${Math.round(bytes / 1024)} KiB` : `${Math.round(bytes / 1048576)} MiB`;
}

function more(title, ...inside) {
  return make("details", "more", make("summary", "", text(title)), ...inside);
}

// The first parts, and the others behind a click.
function folded(number, words, parts) {
  return parts.length <= number ? parts : [...parts.slice(0, number), more(words(parts.length - number), ...parts.slice(number))];
}

// A time after a merge: two units are enough to compare, the title has the rest.
function lead(seconds) {
  return titled(span("lead", `${roughly(seconds)} after the merge`), duration(seconds));
}
