"""What a job takes of its machine: the energy counters of processors, in the form that Linux gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.engine.watch import EnergyMeter

RANGE = 262_143_328_850  # microjoules: a common package goes round here


def zone(folder: Path, name: str, micro: int | str) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "energy_uj").write_text(f"{micro}\n")
    (folder / name / "max_energy_range_uj").write_text(f"{RANGE}\n")


def test_packages_are_added_and_their_parts_are_not(tmp_path: Path) -> None:
    for name in ("intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0"):
        zone(tmp_path, name, 5_000_000)
    meter = EnergyMeter(tmp_path)
    assert meter.joules() == 0.0
    zone(tmp_path, "intel-rapl:0", 8_000_000)
    zone(tmp_path, "intel-rapl:1", 5_500_000)
    zone(tmp_path, "intel-rapl:0:0", 90_000_000)
    assert meter.joules() == pytest.approx(3.5)


def test_a_counter_that_goes_round_is_followed(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", RANGE - 2_000_000)
    meter = EnergyMeter(tmp_path)
    zone(tmp_path, "intel-rapl:0", 1_000_000)
    meter.read()
    zone(tmp_path, "intel-rapl:0", 4_000_000)
    assert meter.joules() == pytest.approx(6.0)


@pytest.mark.parametrize("there", ["nothing", "a counter that only root may read"])
def test_where_nothing_can_be_read_nothing_is_said(tmp_path: Path, there: str) -> None:
    if there != "nothing":
        zone(tmp_path, "intel-rapl:0", "")
    assert EnergyMeter(tmp_path / "powercap" if there == "nothing" else tmp_path).joules() is None
