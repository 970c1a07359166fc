// Reads workflows and actions as GitHub's own language service does. Takes {files, actions} as JSON on stdin, by URI and
// by owner/name; prints the complaints by URI. https://github.com/actions/languageservices
import { readFileSync } from "node:fs";
import { register } from "node:module";

register("./json_modules.mjs", import.meta.url);
const { validate } = await import("@actions/languageservice");
const { TextDocument } = await import("vscode-languageserver-textdocument");

const { files, actions } = JSON.parse(readFileSync(0, "utf8"));
// Of other people's actions only the name is known: their inputs are not judged.
const fetchActionMetadata = async ({ owner, name }) => actions[`${owner}/${name}`] ?? { name, description: name };
const found = {};
for (const [uri, text] of Object.entries(files)) {
  const complaints = await validate(TextDocument.create(uri, "yaml", 1, text), {
    actionsMetadataProvider: { fetchActionMetadata },
  });
  found[uri] = complaints.map(({ range, message }) => `line ${range.start.line + 1}: ${message}`);
}
console.log(JSON.stringify(found));
