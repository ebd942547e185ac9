"""An agent made from a van's settings: which channels, which kinds, where everything lies. Knows folders and names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from board.clock import wall_clock
from firmware.agent.settings import ON_STICK, AgentSettings
from firmware.log import Log
from ota.agent import Agent, Channel, Surroundings
from ota.archive import LIMITS
from ota.content import Kind
from ota.delivery import Delivery, Placed, Plain, Unpacked, unpack_software
from ota.disk import Disk
from ota.fetch import Fetcher, Road, Stick, Web
from ota.installer import HealthGate
from ota.os_image import Rauc
from ota.records import Records
from ota.slots import Slots
from ota.store import Store
from ota.timer import Timer
from ota.transaction import Shelf
from ota.trusted import Source, Trusted
from ota.withdrawn import Withdrawn

METADATA = "metadata"
"""Folder of what was verified, in the agent's own."""
_APPLICATION = Path(__file__).absolute().parents[2]
"""What runs."""


@dataclass(frozen=True)
class Bench:
    """What the process gives to its agent.

    Attributes:
        root: trusted root metadata.
        boot: the kernel's id of this boot.
        chance: evenly spread in [0, 1).
        monotonic: seconds.
        healthy: whether the appliance is well now.
        fail_start: the software of this start did not prove itself.
        urgent: whether something waits that a fetch must not hold up.
        log: told what happens.
    """

    root: bytes
    boot: str
    chance: Callable[[], float]
    monotonic: Callable[[], float]
    healthy: Callable[[], bool]
    fail_start: Callable[[str], None]
    urgent: Callable[[], bool]
    log: Log


def open_agent(settings: AgentSettings, bench: Bench) -> Agent:
    """The agent, ready for its first step.

    Raises:
        ConfigError: the TLS files cannot be used.
        UpdateError: ``disk``.
        OSError: a folder cannot be made.
    """
    disk = Disk()
    records = Records(settings.state / "records.db", disk)
    store = Store(settings.state / "store", disk)
    clock = wall_clock(records.time_floor)
    around = Surroundings(
        clock=clock,
        timer=Timer(settings.every_s, bench.chance, bench.monotonic),
        note=lambda event, words: bench.log.info("update", what=event, words=words),
        urgent=bench.urgent,
    )
    shelf = Shelf(
        records, store, Withdrawn(settings.state / "withdrawn", disk), _deliveries(settings, bench, store, disk)
    )

    def channel(name: str, present: Callable[[], bool], base: str, road: Road) -> Channel:
        source = Source(f"{base}/metadata/", f"{base}/targets/", Fetcher(road, bench.monotonic, bench.urgent))
        metadata = settings.state / METADATA
        return Channel(name, present, Trusted(metadata, bench.root, source, records, store, clock))

    channels = [channel("repository", lambda: True, settings.url.rstrip("/"), _road(settings))]
    if settings.usb is not None:
        stick = settings.usb.absolute() / ON_STICK
        channels.append(channel("stick", (stick / "metadata").is_dir, stick.as_uri(), Stick(stick)))
    return Agent(settings.key_id, channels, shelf, around)


def _road(settings: AgentSettings) -> Road:
    parts = urlsplit(settings.url)
    if parts.scheme == "file":
        return Stick(Path(unquote(parts.path)))
    tls = None if settings.tls is None else settings.tls.context("agent.tls")
    return Web(tls, plain=parts.scheme == "http")  # which is only allowed on this machine


def _deliveries(settings: AgentSettings, bench: Bench, store: Store, disk: Disk) -> dict[Kind, Delivery]:
    plain, unpacked = Plain(store), settings.state / "unpacked"
    gate = HealthGate(bench.healthy, bench.monotonic)
    deliveries: dict[Kind, Delivery] = {
        "watchlist": plain,
        "revocation": plain,
        "calibration": plain,
        "model": Unpacked(store, unpacked / "model", LIMITS["model"]),
        "policy": Unpacked(store, unpacked / "policy", LIMITS["policy"]),
    }
    if settings.slots is not None:
        slots = Slots(settings.slots.absolute(), disk, unpack_software, running=_APPLICATION)
        deliveries["software"] = Placed(store, slots, gate, bench.fail_start)
    if settings.rauc is not None:
        rauc = Rauc(settings.rauc, settings.state / "os", bench.boot, disk)
        deliveries["os"] = Placed(store, rauc, gate, rauc.go_back)
    return deliveries
