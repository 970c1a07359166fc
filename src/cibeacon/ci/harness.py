"""Knows a run on Harness CI, which sets Drone's variables besides its own. Does not know git.

https://developer.harness.io/docs/continuous-integration/troubleshoot-ci/ci-env-var
"""

from __future__ import annotations

from cibeacon.ci.ci_system import Variables
from cibeacon.ci.drone import Drone
from cibeacon.model.context import Context


class Harness(Drone):
    """Harness CI."""

    name = "harness"
    title = "Harness"
    deepen = "clone the whole history (codebase: depth: 0)"
    check_out = "let the stage clone (cloneCodebase: true)"

    def read(self, env: Variables) -> Context:
        """The run as the variables describe it. What is not listed here is the same as on Drone."""
        context, url = super().read(env), self.repository_url(env)
        parts = [env.text(f"HARNESS_{part}_ID") for part in ("ACCOUNT", "ORG", "PROJECT", "PIPELINE")]
        return context._replace(
            repository=url.repository if url else context.repository,
            push=context.push._replace(created=False) if context.push else None,  # zeros do not mean a new branch here
            pipeline_id="/".join(filter(None, parts)) or None,
            run_id=env.text("HARNESS_EXECUTION_ID", "HARNESS_BUILD_ID"),
            run_url=env.url("CI_BUILD_LINK", "DRONE_BUILD_LINK"),
            pipeline=env.text("HARNESS_PIPELINE_ID"),
            job=env.text("HARNESS_STAGE_ID"),
            status=env.word("DRONE_STAGE_STATUS", "DRONE_BUILD_STATUS"),
            secrets_withheld=False,
        )


SYSTEM = Harness()
