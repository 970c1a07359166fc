// Apache DevLake

addTab("devlake", {
  label: "DevLake",
  colour: "#3d8f6e",
  title: "Apache DevLake",
  lede: "Deployments that the webhook recorded, with their commits.",
  start: "Report a deployment to DevLake",
  settings: () => `export CIBEACON_DEVLAKE_URL=${location.origin}/api/rest/plugins/webhook/connections/1/deployments\n# and the token as it was printed where the sandbox started\ncibeacon report --no-dry-run --run-id=1 --repository=git@github.com:acme/shop --deploy-services=checkout`,
  count: (ledger) => size(ledger.devlake.deployments),
});

addTable("devlake", "lakes", {
  title: "Deployments",
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
});
