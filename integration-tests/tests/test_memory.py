"""What Envoy takes for a large object, however slow the client or the store: `make bench` does the same with 4 GiB."""

from pathlib import Path

import pytest

from bench import memory


@pytest.mark.parametrize("case", memory.QUICK, ids=str)
def test_a_large_object_stays_within_64_mib_of_idle(tmp_path: Path, case: memory.Case) -> None:
    results = list(memory.measure(case, tmp_path / "rig"))
    assert [result.operation[:3] for result in results] == ["PUT", "GET"]
    for result in results:
        assert result.is_within_bound, result
