"""Login plug-ins, found by their entry points and made once at the start.

What does not belong here: what a plug-in does, and its settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from alveary.config import Config
from alveary.obs import Log
from alveary.ports.clock import Clock
from alveary.ports.login_plugins import LoginPlugin, PluginContext, PluginFactory
from alveary.ports.outbound import Outbound

GROUP: Final = "alveary.auth"


class PluginProblem(Exception):  # noqa: N818 - it tells an operator of a plug-in, not of a fault of ours
    """One sentence that names the plug-in and says why the unit does not start with it."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What plug-ins may use of the unit."""

    config: Config
    outbound: Outbound
    clock: Clock
    log: Log


def installed() -> tuple[EntryPoint, ...]:
    """The entry points of all login plug-ins that are installed."""
    return tuple(entry_points(group=GROUP))


def login_plugins(found: Iterable[EntryPoint], unit: Surroundings) -> Mapping[str, LoginPlugin]:
    """The plug-ins of the entry points *found* by their grant types.

    Raises:
        PluginProblem: one cannot be made, two take the same grant type, or a table of settings is nobody's.
    """
    points = {point.name: point for point in found}
    for name in unit.config.plugin:
        if name not in points:
            raise PluginProblem(f"There is no login plug-in {name}, for which the configuration has plugin.{name}.")
    plugins: dict[str, LoginPlugin] = {}
    for name, point in sorted(points.items()):
        for plugin in _made(point, unit):
            if plugins.setdefault(plugin.grant_type, plugin) is not plugin:
                raise PluginProblem(f"The login plug-in {name} takes {plugin.grant_type}, which another one takes.")
    return plugins


def _made(point: EntryPoint, unit: Surroundings) -> tuple[LoginPlugin, ...]:
    context = PluginContext(
        settings=unit.config.plugin.get(point.name, {}),
        outbound=unit.outbound,
        clock=unit.clock,
        log=unit.log,
        clock_skew_s=unit.config.auth.clock_skew_s,
    )
    try:
        factory: PluginFactory = point.load()
        return tuple(factory(context))
    except Exception as problem:  # whatever it is, it is the plug-in's
        cause = str(problem).rstrip(".") or type(problem).__name__
        raise PluginProblem(f"The login plug-in {point.name} cannot be used: {cause}.") from problem
