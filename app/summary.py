"""A finished run in a few lines of the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.flow import Finished


def run_summary(finished: Finished) -> str:
    """Plan, models and segments of a run, as plain text; the plan is added up again for it."""
    from app.match_documents import checked
    from app.match_plans import kept_of_run

    manifest = finished.manifest
    dataset, metrics = manifest["dataset"], manifest["metrics"]
    plan = metrics["plan"]
    currency = dataset["currency"]
    label = " (SYNTHETIC)" if dataset["synthetic"] else ""
    lines = [
        f"Run {manifest['run_id']} over {dataset['name']}{label}, as of {manifest['as_of'][:10]}",
        f"  plan       {plan['offered']:,} of {plan['reachable']:,} reachable people get an offer; "
        f"{plan['expected_takers']:,.0f} expected takers",
        f"  value      {plan['value']:,.0f} {currency} (at most {plan['gap']:.1%} below the optimum), "
        f"expected loss {plan['expected_loss']:,.0f}, cost {plan['expected_cost']:,.0f}",
        f"  check      {checked(kept_of_run(finished.folder)).en} (scenefit match check shows them)",
        _ranking("offers", "which offer is taken", metrics["offers"]),
        _ranking("behaviour", "next item", metrics["behaviour"].get("all", metrics["behaviour"])),
        _ranking("", "next item, new to the person", metrics["behaviour"].get("new", metrics["behaviour"])),
        _probability("response", metrics["response"]),
        _probability("default", metrics["default"]),
        f"  segments   {sum(s['k'] for s in metrics['segments'].values())} in {len(metrics['segments'])} scenes",
        f"  time       {finished.timings['total_seconds']:.1f} s ({finished.timings['backend']}), "
        f"{finished.timings['peak_rss_mb']:,.0f} MB",
    ]
    lines += [f"  assumed    {sentence}" for sentence in manifest["assumed"]["en"]]
    return "\n".join(lines)


def _ranking(name: str, what: str, figures: dict[str, Any]) -> str:
    if "absent" in figures:
        return f"  {name:<10} {figures['absent']}"
    ndcg, hit = figures["ndcg@10"], figures["hit@10"]
    if ndcg["model"] is None:
        return f"  {name:<10} {what}: nobody to judge by"
    return (
        f"  {name:<10} {what}: NDCG@10 {ndcg['model']:.3f} (popularity {ndcg['popularity']:.3f}), "
        f"hit@10 {hit['model']:.3f} ({hit['popularity']:.3f})"
    )


def _probability(name: str, figures: dict[str, Any]) -> str:
    if "absent" in figures:
        return f"  {name:<10} {figures['absent']}"
    parts = [f"{key.upper()} {figures[key]:.3f}" for key in ("auc", "ap", "ece") if figures.get(key) is not None]
    return f"  {name:<10} {', '.join(parts)}"
