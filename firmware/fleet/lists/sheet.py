"""The contact sheet: a list as the people who sign it look it over. Knows records and small portraits; writes no file.

What needs a decision comes first: how the list was made without a cohort, what it would cost passers-by, look-alikes
side by side, entries with warnings, and refusals. It needs no script and loads nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from firmware.fleet.lists.checks import CHECKS, PASSERS_BY, Check, Finding, look_alike
from firmware.fleet.lists.cohort import Foretold
from firmware.fleet.lists.markup import Html, joined, page, picture, tag
from firmware.fleet.lists.records import Listed, LookAlike, Records, Refused
from firmware.fleet.lists.rows import moment_text
from firmware.fleet.lists.style import STYLE

_BAR_PX, _BAR_HEIGHT_PX = 120, 10
_PAIRS_SHOWN = 100


def sheet(records: Records, portraits: Sequence[bytes]) -> str:
    """The page.

    Args:
        records: of the list.
        portraits: JPEG files in the order of the records' entries.

    Raises:
        ValueError: another number of portraits.
    """
    pictures = {entry.ref: jpeg for entry, jpeg in zip(records.entries, portraits, strict=True)}
    # a finding of a check comes before one without: most first, then in the list's order
    order = sorted(records.entries, key=lambda entry: -len(entry.findings))
    warned = [entry for entry in order if entry.findings]
    checks = (*CHECKS, look_alike(records.threshold))
    plain = [entry for entry in order if not entry.findings]
    return page(
        f"Watchlist {records.custom.deployment}, {len(records.entries)} entries",
        STYLE,
        tag("h1", f"Watchlist for {records.custom.deployment}"),
        tag(
            "p",
            "This page holds portraits of the list. It must be destroyed with the list, at the latest on ",
            f"{moment_text(records.custom.not_after)}, and on every machine and paper that it was copied to.",
            class_="destroy",
        ),
        _bound(records),
        _cost(records),
        _summary(records),
        _pairs(records, pictures),
        _cards("Entries with warnings", warned, pictures, checks),
        _refusals(records.refused),
        _cards("Other entries", plain, pictures, checks),
    )


def _bound(records: Records) -> Html:
    return tag(
        "p",
        f"Used at similarity {records.threshold:.2f} or more: by calibration {records.calibration[:16]} at most ",
        f"{records.false_alerts_per_1000:.2f} false alerts among 1,000 passers-by of the group that is served worst.",
    )


def _cost(records: Records) -> Html:
    if records.cohort is None or records.foretold is None:
        words = "Built without a cohort: nobody knows how often this list would stop somebody who is not on it."
        return tag("p", words, class_="red")
    cohort = records.cohort
    return joined(
        tag(
            "p", "False alerts foretold for ", f"{PASSERS_BY:,}", " passers-by: ", _told(records.foretold), class_="big"
        ),
        tag(
            "p",
            f"{records.foretold.seen} of {cohort.volunteers} volunteers reached the threshold of {records.threshold} ",
            "with one picture against some entry. A van asks for more than one agreeing look, so it should do better. ",
            f"{cohort.unfit} pictures of the cohort were unfit. Cohort ",
            tag("code", cohort.digest),
            class_="soft",
        ),
    )


def _told(foretold: Foretold) -> str:
    return f"{foretold.expected:.1f}, and at most {foretold.most:.1f} (95 %, {foretold.comparisons} comparisons)"


def _summary(records: Records) -> Html:
    custom, entries = records.custom, records.entries
    categories = Counter(entry.category for entry in entries)
    minors = sum(entry.minor for entry in entries)
    warned = sum(bool(entry.findings) for entry in entries)
    rows: tuple[tuple[str, Html | str], ...] = (
        ("Entries", f"{len(entries)} of at most {custom.max_faces}; {len(records.refused)} portraits refused"),
        ("By category", ", ".join(f"{name} {count}" for name, count in sorted(categories.items()))),
        ("Under 18", str(minors)),
        ("With warnings", f"{warned}; {records.look_alikes_total} pairs of look-alikes"),
        ("Window", f"{moment_text(custom.not_before)} to {moment_text(custom.not_after)}"),
        ("Counter", str(custom.counter)),
        ("Digest that signers see", tag("code", records.list_sha256)),
        ("File", tag("code", records.list_file)),
        ("Vans", joined(*(tag("div", tag("code", van)) for van in custom.vans))),
        ("Networks", tag("code", records.model)),
        ("Template space", tag("code", records.space)),
        ("Ran on", records.runner),
        (
            "Rounding to fp16",
            f"moved a similarity by {records.rounding.most:.5f} at most, of {records.rounding.comparisons:,}",
        ),
        ("Built", f"{moment_text(records.built)} by Kerbside {records.kerbside}"),
    )
    return joined(tag("h2", "The list"), tag("dl", *(joined(tag("dt", key), tag("dd", value)) for key, value in rows)))


def _pairs(records: Records, pictures: Mapping[str, bytes]) -> Html:
    if not records.look_alikes:
        return Html()
    shown = records.look_alikes[:_PAIRS_SHOWN]
    return joined(
        tag("h2", f"Look-alikes: {len(shown)} of {records.look_alikes_total} pairs"),
        tag(
            "p",
            "A van needs one entry to be clearly nearer than the next. It will report neither of these two unless ",
            "they differ enough on the day. Are they one face under two references, or relatives?",
        ),
        tag("div", *(_pair(pair, pictures) for pair in shown), class_="pairs"),
    )


def _pair(pair: LookAlike, pictures: Mapping[str, bytes]) -> Html:
    both = (picture(pictures[ref], f"portrait of {ref}") for ref in (pair.first, pair.second) if ref in pictures)
    words = f"{pair.first} and {pair.second}: similarity {pair.similarity:.2f}"
    return tag("div", *both, tag("p", words), class_="pair")


def _cards(title: str, entries: Sequence[Listed], pictures: Mapping[str, bytes], checks: Sequence[Check]) -> Html:
    if not entries:
        return Html()
    cards = (_card(entry, pictures[entry.ref], checks) for entry in entries)
    return joined(tag("h2", f"{title}: {len(entries)}"), tag("div", *cards, class_="cards"))


def _card(entry: Listed, jpeg: bytes, checks: Sequence[Check]) -> Html:
    minor = (" ", tag("span", "under 18", class_="minor")) if entry.minor else ()
    fields = (
        ("Category", entry.category),
        ("Legal basis", entry.legal_basis),
        ("Source", f"{entry.source}, {entry.image_date}"),
        ("Reviewer", entry.reviewer),
        ("Expires", moment_text(entry.not_after)),
        *((("Rationale", entry.minor_rationale),) if entry.minor else ()),
        *((("False alerts", _told(entry.foretold)),) if entry.foretold else ()),
    )
    text = tag(
        "div",
        tag("h3", entry.ref, *minor),
        tag("dl", *(joined(tag("dt", key), tag("dd", value)) for key, value in fields)),
        _findings(entry.findings),
    )
    kind = "card warned" if entry.findings else "card"
    return tag("article", picture(jpeg, f"portrait of {entry.ref}"), text, _figures(entry, checks), class_=kind)


def _findings(findings: Sequence[Finding]) -> Html:
    if not findings:
        return Html()
    return tag(
        "ul", *(tag("li", finding.words, class_="refused" if finding.refused else "warn") for finding in findings)
    )


def _figures(entry: Listed, checks: Sequence[Check]) -> Html:
    rows = (
        tag("tr", tag("td", check.name), tag("td", check.write(figure)), tag("td", bar(check, figure)))
        for check in checks
        if (figure := entry.figures.get(check.name)) is not None
    )
    return tag("table", *rows, class_="figures")


def bar(check: Check, figure: float) -> Html:
    """A figure against its limits: a stroke stands at each."""

    def across(value: float) -> str:
        return f"{_BAR_PX * min(1.0, max(0.0, value / check.scale)):.0f}"

    kind = "over" if check.breaks(figure, check.refuse) else "near" if check.breaks(figure, check.warn) else "fine"
    height = str(_BAR_HEIGHT_PX)
    limits = (
        tag("line", class_="limit", x1=across(limit), x2=across(limit), y1="0", y2=height)
        for limit in (check.warn, check.refuse)
        if limit is not None
    )
    return tag(
        "svg",
        tag("rect", class_="back", width=str(_BAR_PX), height=height),
        tag("rect", class_=kind, width=across(figure), y="2", height=str(_BAR_HEIGHT_PX - 4)),
        *limits,
        width=str(_BAR_PX),
        height=height,
        role="img",
        aria_label=f"{check.name} {check.write(figure)}",
    )


def _refusals(refused: Sequence[Refused]) -> Html:
    if not refused:
        return Html()
    head = tag("tr", *(tag("th", name) for name in ("Row", "Reference", "File", "Why")))
    rows = (
        tag(
            "tr",
            tag("td", str(one.row)),
            tag("td", one.ref),
            tag("td", one.file),
            tag("td", "; ".join(finding.words for finding in one.findings if finding.refused)),
        )
        for one in refused
    )
    return joined(tag("h2", f"Refused, not on the list: {len(refused)}"), tag("table", head, *rows))
