"""The README's examples are what they say."""

import re
import sys
import types
from pathlib import Path

import pytest

from saga_step.testing import Run

README = Path(__file__).parent.parent / "README.md"
MANIFEST = 'grants = ["config", "keyvalue"]\n'


def test_the_step_and_the_test_of_the_readme_work_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    step = types.ModuleType("step")
    monkeypatch.setitem(sys.modules, "step", step)
    exec(blocks[0], vars(step))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.billing.payment.toml").write_text(MANIFEST)
    seen: dict[str, object] = {}
    if sys.version_info < (3, 11):
        blocks[1] = blocks[1].replace('.manifest_in(".")', "")
    exec(blocks[1], seen)
    run = seen["run"]
    assert isinstance(run, Run)
    assert run.body == '{"account":"a-1","amount":0.1}'
    assert run.compensation() is not None
