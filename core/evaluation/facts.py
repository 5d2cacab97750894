"""Facts that reports of every kind of label share, under flat dotted names. What is undefined is null."""

from __future__ import annotations

from core.evaluation.champion_records import ChampionComparison
from core.evaluation.error_records import InferenceCost, SeedSpread
from core.evaluation.explain_records import Explanation
from core.measures.direction import lower_is_better
from core.measures.records import Recalibration, SliceDiscovery

Fact = float | str | bool
Facts = dict[str, Fact | None]


def inside_facts(
    discovered: SliceDiscovery | None,
    explanation: Explanation | None,
    inference: InferenceCost | None,
    seeds: SeedSpread | None,
) -> Facts:
    """Slices that were found, what explains the answers, what an answer costs, how seeds differ."""
    found: Facts = {}
    if discovered is not None:
        worst = max(discovered.slices, key=lambda one: one.ratio, default=None)
        found |= {
            "slices.discovered": len(discovered.slices),
            "slices.looked_at": discovered.looked_at,
            "slices.discovered_worst_ratio": worst.ratio if worst else 1.0,
            "slices.discovered_worst_gap": worst.difference if worst else 0.0,
            "slices.discovered_worst_name": worst.name if worst else "none",
        }
    if explanation is not None and explanation.effects:
        total = sum(one.mean_abs for one in explanation.effects)
        found |= {
            "explanation.method": explanation.method,
            "explanation.top_feature": explanation.effects[0].feature,
            "explanation.top_share": explanation.effects[0].mean_abs / total if total else None,
            "explanation.largest_gap": explanation.largest_gap,
        }
    if inference is not None:
        found |= {
            "inference.request_p50_us": inference.request_p50_us,
            "inference.request_p99_us": inference.request_p99_us,
            "inference.rows_per_s": inference.rows_per_s,
            "inference.bytes": inference.bytes,
        }
    if seeds is not None and len(seeds.values) > 1:
        found |= {"seeds.count": len(seeds.values), "seeds.range": seeds.range, "seeds.worst": _worst(seeds)}
    return found


def _worst(seeds: SeedSpread) -> float:
    """The worst value of the seeds, whichever way the metric goes."""
    return max(seeds.values) if lower_is_better(seeds.metric) else min(seeds.values)


def recalibration_facts(found: list[Recalibration]) -> Facts:
    """The best that a map of the scores gave, against the scores as they are."""
    plain = next((one for one in found if one.method == "none"), None)
    maps = [one for one in found if one.method != "none"]
    if plain is None or not maps:
        return {}
    best = min(maps, key=lambda one: one.log_loss)
    return {
        "recalibration.best": best.method,
        "recalibration.best_ece": best.ece,
        "recalibration.log_loss_gain": plain.log_loss - best.log_loss,
    }


def champion_facts(found: ChampionComparison | None) -> Facts:
    """Without a champion the verdict is ``none``: 'not worse' passes, 'better' does not."""
    if found is None:
        return {"champion.present": False, "champion.verdict": "none"}
    facts: Facts = {"champion.present": True, "champion.verdict": found.verdict, "champion.rows": found.rows}
    for name, test in found.tests.items():
        facts |= {f"champion.{name}.{part}": getattr(test, part) for part in ("difference", "low", "high", "p_value")}
    return facts
