"""The file for Codefresh, read by Codefresh's own validator."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml
from containers import ROOT
from pipelines import MODULES, NODE

pytestmark = pytest.mark.engine

TEXT = (ROOT / "integrations/codefresh/codefresh.yml").read_text(encoding="utf-8")
PROGRAM = """
const validator = require('@codefresh-io/yaml-validator');
const document = JSON.parse(require('fs').readFileSync(0, 'utf8'));
try { validator.validate(document, 'message'); } catch (error) { console.log(String(error.message) || 'not valid'); }
"""


def complaint(text):
    """What the validator has to say."""
    if not (MODULES / "@codefresh-io/yaml-validator").is_dir() or not NODE.is_file():
        pytest.skip("Codefresh's validator is not installed: run scripts/engines-node (it needs Node.js and npm)")
    given = json.dumps(yaml.safe_load(text))
    done = subprocess.run(
        [NODE, "-e", PROGRAM], cwd=MODULES, input=given, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_codefreshs_own_validator_takes_the_file():
    assert complaint(TEXT) == ""


@pytest.mark.parametrize(
    ("right", "wrong"), [("on_fail:", "on_failing:"), ("fail_fast: false", "fail_fast: maybe"), ("steps:", "step:")]
)
def test_it_would_see_a_slip(right, wrong):
    assert right in TEXT
    assert complaint(TEXT.replace(right, wrong))
