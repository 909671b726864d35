"""Whether a connection insists on a real-time kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from fr3_driver.real_time import RealTimeError, RealTimePolicy, enforces_real_time


@pytest.fixture
def ordinary(tmp_path: Path) -> Path:
    return tmp_path / "nothing"


@pytest.fixture
def real_time(tmp_path: Path) -> Path:
    flag = tmp_path / "realtime"
    flag.write_text("1\n")
    return flag


@pytest.mark.parametrize("policy", [RealTimePolicy.AUTO, RealTimePolicy.ENFORCE])
def test_a_robot_is_not_driven_on_an_ordinary_kernel_unless_told_to(
    policy: RealTimePolicy, ordinary: Path
) -> None:
    with pytest.raises(RealTimeError, match=r"PREEMPT_RT.*realtime:=ignore"):
        enforces_real_time(policy, "172.16.0.2", ordinary)
    assert not enforces_real_time(RealTimePolicy.IGNORE, "172.16.0.2", ordinary)


def test_a_real_time_kernel_is_made_use_of(real_time: Path) -> None:
    assert enforces_real_time(RealTimePolicy.AUTO, "172.16.0.2", real_time)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost"])
def test_an_emulator_needs_none(host: str, ordinary: Path) -> None:
    assert not enforces_real_time(RealTimePolicy.AUTO, host, ordinary)
