// The vendors' tabs. Each vendor that the sandbox lists can have a file page_NAME.js, which adds its tab and its tables.

const tables = {};
const tabs = { overview: { tables: [] }, requests: { tables: ["requests"] }, outage: { tables: ["spool"] } };
const colours = {};
const size = (records) => Object.keys(records).length;

function identified(id, element) {
  element.id = id;
  return element;
}

function sample(id) {
  const element = identified(id, make("pre", ""));
  element.tabIndex = 0;
  element.ariaLabel = "Settings";
  return element;
}

/* label: in the navigation. title, lede: above the tables. start: what its settings are for. settings(ledger): what to type.
   count(ledger): how much arrived. gist(body), optional: what the body of a request is about. */
function addTab(name, { label, colour, title, lede, start, ...tab }) {
  tabs[name] = { ...tab, tables: [] };
  colours[name] = colour;
  find("to-requests").before(identified(`to-${name}`, link(hash(name), text(label), text(" "), span("badge", ""))), " ");
  const details = make("details", "start", make("summary", "", text(start)), sample(`${name}-settings`));
  const element = identified(`tab-${name}`, make("div", "", make("h1", "", text(title)), make("p", "lede", text(lede)), details));
  element.hidden = true;
  find("tab-requests").before(element);
}

// A table as in page_table.js, under its title and an optional note, on a tab.
function addTable(tab, id, { title, note, ...table }) {
  const heading = make("h2", "", text(`${title} `), span("count", ""));
  const section = identified(id, make("section", "", heading, note ? make("p", "note", text(note)) : null));
  section.ariaLabel = title;
  section.hidden = true;
  find(`tab-${tab}`).append(section);
  tables[id] = new Table(id, table);
  tabs[tab].tables.push(id);
}

function chip(vendor, words) {
  const element = span("vendor", words);
  element.style.setProperty("--vendor", colours[vendor] ?? "");
  return element;
}
