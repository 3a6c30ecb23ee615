"""The storm as a picture: throughput, unconfirmed changes, and every fault in a lane of its kind."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.storm.faults import KINDS, PARTS
from tests.storm.report import Report

_PLACES = (*PARTS, "push", "documents")


def draw(report: Report, path: Path) -> None:
    """Draws it into ``path``, as PNG, SVG or whatever its name ends with."""
    # Imported late: it takes half a second, and a storm of `make test` draws nothing.
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    calm_s = report.raged_s
    figure, (sends, unconfirmed, faults) = plt.subplots(
        3, 1, sharex=True, figsize=(13, 9), height_ratios=(2, 2, 4), layout="constrained"
    )
    figure.suptitle(
        f"Storm of seed {report.seed}: {len(report.sent)} Sends, {len(report.inflicted)} faults, "
        f"{'nothing wrong' if not report.wrong else f'{len(report.wrong)} things wrong'}"
    )
    per_s = Counter(int(at - report.began) for at in report.answered_at)
    seconds = range(max(per_s, default=0) + 1)
    sends.step(list(seconds), [per_s[second] for second in seconds], where="post", color="tab:blue")
    sends.set_ylabel("Sends answered\na second")
    known = [
        (each.at - report.began, each.unconfirmed) for each in report.samples if each.unconfirmed is not None
    ]
    unconfirmed.plot([at for at, _ in known], [count for _, count in known], color="tab:red")
    unconfirmed.set_ylabel("changes that Firestore\ndoes not have yet")
    colors = dict(zip(_PLACES, mpl.colors.TABLEAU_COLORS.values(), strict=False))
    for place in _PLACES:
        mine = [each for each in report.inflicted if each.fault.target == place]
        lanes = [KINDS.index(each.fault.kind) for each in mine]
        starts = [each.began - report.began for each in mine]
        faults.hlines(
            lanes, starts, [each.ended - report.began for each in mine], colors=[colors[place]], lw=5
        )
        faults.scatter(starts, lanes, color=colors[place], label=place, s=22, zorder=3)
    faults.set_yticks(range(len(KINDS)), KINDS)
    faults.invert_yaxis()
    faults.set_xlabel("seconds since the first Send")
    faults.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    for axes in (sends, unconfirmed, faults):
        axes.grid(axis="x", alpha=0.3)
        axes.axvline(calm_s, color="black", ls="--", lw=1)
        if report.documents_s is not None:
            axes.axvline(calm_s + report.documents_s, color="tab:green", lw=1)
    sends.annotate("last fault", (calm_s, 1), xycoords=("data", "axes fraction"), ha="right", va="bottom")
    if report.documents_s is not None:
        sends.annotate(
            "all agree", (calm_s + report.documents_s, 1), xycoords=("data", "axes fraction"), va="bottom"
        )
    figure.savefig(path, dpi=100)
    plt.close(figure)
