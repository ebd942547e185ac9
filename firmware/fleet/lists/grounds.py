"""On which grounds a portrait may be on a list, as closed lists with their sources. Knows words of law; judges nobody.

Each row says what it is for. A ground that is missing here cannot be typed in: whoever needs it changes this file,
where others see it. It is no legal advice; a force's own lawyers approve the table.
"""

from __future__ import annotations

from typing import Literal, get_args

from ota.content import Category

LegalBasis = Literal[
    "court-warrant",
    "recall-to-custody",
    "pace-s24-arrest",
    "bail-act-s7-arrest",
    "mental-health-act-return",
    "court-order-conditions",
    "common-law-prevention",
    "protection-of-life",
    "eu-missing-or-victim-search",
    "eu-imminent-threat",
    "eu-annex-ii-offence",
]
LEGAL_BASES: tuple[LegalBasis, ...] = get_args(LegalBasis)
_WANTED: frozenset[Category] = frozenset(("wanted-by-court", "wanted-by-police"))
_AT_RISK: frozenset[Category] = frozenset(("missing-at-risk", "vulnerable-at-risk"))
_HARM: frozenset[Category] = frozenset(("risk-of-serious-harm",))
SERVES: dict[str, frozenset[Category]] = {
    # Magistrates' Courts Act 1980 s.1 and s.13; Bail Act 1976 s.7(1)
    "court-warrant": _WANTED | {"unlawfully-at-large", "bail-or-order-breach"},
    # Criminal Justice Act 2003 s.254 and s.255; Prison Act 1952 s.49
    "recall-to-custody": frozenset(("unlawfully-at-large",)),
    # Police and Criminal Evidence Act 1984 s.24
    "pace-s24-arrest": _WANTED | {"bail-or-order-breach", "unlawfully-at-large"},
    # Bail Act 1976 s.7(3)
    "bail-act-s7-arrest": frozenset(("bail-or-order-breach",)),
    # Mental Health Act 1983 s.18 and s.138
    "mental-health-act-return": _AT_RISK | {"unlawfully-at-large"},
    # Sexual Offences Act 2003 s.103A, Stalking Protection Act 2019 s.1, Serious Crime Act 2007 s.1
    "court-order-conditions": frozenset(("court-order-subject", "bail-or-order-breach")),
    # R (Bridges) v South Wales Police [2020] EWCA Civ 1058; R (Catt) v ACPO [2015] UKSC 9
    "common-law-prevention": _HARM,
    # Human Rights Act 1998 Schedule 1, Article 2; Osman v United Kingdom (1998) 29 EHRR 245
    "protection-of-life": _AT_RISK | _HARM,
    # Regulation (EU) 2024/1689 Article 5(1)(h)(i), (ii) and (iii)
    "eu-missing-or-victim-search": _AT_RISK,
    "eu-imminent-threat": _HARM,
    "eu-annex-ii-offence": _WANTED | {"unlawfully-at-large"},
}
"""Which categories a basis can carry, with the act or judgment that it stands for."""

Source = Literal[
    "custody-image",
    "police-taken-image",
    "prison-image",
    "partner-force",
    "interpol-notice",
    "sis-alert",
    "immigration-image",
    "family-provided",
    "open-source",
]
SOURCES: tuple[Source, ...] = get_args(Source)
GIVES: dict[str, frozenset[Category]] = {
    # Police and Criminal Evidence Act 1984 s.64A
    "custody-image": frozenset(get_args(Category)),
    "police-taken-image": frozenset(get_args(Category)),
    # Prison Rules 1999 r.42
    "prison-image": frozenset(get_args(Category)),
    # Data Protection Act 2018 s.36(3): held for another law enforcement purpose
    "partner-force": frozenset(get_args(Category)),
    # INTERPOL's Rules on the Processing of Data, Articles 82 and 90: red and yellow notices
    "interpol-notice": _WANTED | _AT_RISK | {"unlawfully-at-large"},
    # Regulation (EU) 2018/1862 Articles 26, 32 and 36, with photographs under Article 20(3)
    "sis-alert": _WANTED | _AT_RISK | _HARM | {"unlawfully-at-large"},
    # UK Borders Act 2007 s.5 and s.8
    "immigration-image": _WANTED | {"unlawfully-at-large"},
    # given to find somebody, and so for nothing else
    "family-provided": _AT_RISK,
    # College of Policing, Authorised Professional Practice, live facial recognition: not police-originated
    "open-source": frozenset(get_args(Category)),
}
"""For which categories a portrait of such origin may be used, with the rule that it stands for."""
