"""The whole story on one machine: a real monorepo, real merges, real reports, and a sandbox that shows what arrived."""
