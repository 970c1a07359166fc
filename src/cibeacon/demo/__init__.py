"""The demo: a real monorepo, real merges and real reports on one machine, and a sandbox that shows what arrived."""
