"""Which login plug-ins a unit has, and why it does not start with a broken one."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any, cast

import pytest

from alveary.boot.plugins import GROUP, PluginProblem, Surroundings, installed, login_plugins
from alveary.config import Config
from alveary.ports.login_plugins import LoginPlugin, PluginContext
from tests.unit.test_plugin_logins import WordPlugin

OIDC = {"config_url": "https://a.example/", "trusted_client_ids": "app"}


def good(context: PluginContext) -> list[WordPlugin]:
    return [WordPlugin(grant_type=str(context.settings.get("grant", "urn:a")))]


def broken(context: PluginContext) -> list[LoginPlugin]:
    raise ValueError("the setting word is missing.")


def mute(context: PluginContext) -> list[LoginPlugin]:
    raise ZeroDivisionError


def point(name: str, function: str) -> EntryPoint:
    return EntryPoint(name, f"{__name__}:{function}", GROUP)


def load(*points: EntryPoint, **plugin: Any) -> dict[str, LoginPlugin]:
    nothing: Any = None
    surroundings = Surroundings(Config(plugin=plugin), outbound=nothing, clock=nothing, log=nothing)
    return dict(login_plugins(points, surroundings))


def test_plugins_are_known_by_their_grant_types() -> None:
    found = load(point("a", "good"), point("b", "good"), b={"grant": "urn:b"})
    assert {grant: plugin.account_type for grant, plugin in found.items()} == {
        "urn:a": "test:word",
        "urn:b": "test:word",
    }


def test_the_openid_plugin_comes_with_the_unit() -> None:
    assert "oidc" in {each.name for each in installed()}
    found = load(*installed(), oidc={"google": {**OIDC, "grant_type": "urn:x-personium:oidc:google"}})
    assert list(found) == ["urn:x-personium:oidc:google"]
    assert load(*installed()) == {}


@pytest.mark.parametrize(
    ("points", "plugin", "sentence"),
    [
        ((point("a", "broken"),), {}, "The login plug-in a cannot be used: the setting word is missing."),
        ((point("a", "mute"),), {}, "The login plug-in a cannot be used: ZeroDivisionError."),
        ((point("a", "none"),), {}, r"The login plug-in a cannot be used: .*none.*\."),
        ((point("a", "good"), point("b", "good")), {}, "The login plug-in b takes urn:a, which another one takes."),
        ((point("a", "good"),), {"b": {}}, "There is no login plug-in b, .* plugin.b."),
        (installed(), {"oidc": {"x": {}}}, r"The login plug-in oidc cannot be used: x: .*config_url.*\."),
    ],
)
def test_a_broken_plugin_is_named_in_one_sentence(
    points: tuple[EntryPoint, ...], plugin: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(PluginProblem, match=f"^{sentence}$"):
        load(*points, **cast(dict[str, Any], plugin))
