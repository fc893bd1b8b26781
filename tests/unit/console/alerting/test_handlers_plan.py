"""From the settings to plans: what each kind needs, said all at once and without secrets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cattrs.preconf.json import make_converter

from config.load import load
from config.operations import AlertingSettings, HandlerSettings, RuleSettings
from console.alerting.handlers.addresses import mail_server
from console.alerting.handlers.make import make_handlers
from console.alerting.handlers.plan import HandlerPlan, handler_plans, handler_problems
from console.alerting.plan import alert_plan, alerting_problems
from core.alerts.rules import Severity
from core.errors import ConfigurationError


def settings(**handlers: HandlerSettings) -> AlertingSettings:
    """Settings with these handlers."""
    return AlertingSettings(handlers=handlers)


def test_the_log_and_the_screen_always_hear() -> None:
    """Unless the settings have one of that kind, which then is as they say, or not there."""
    assert [(plan.kind, plan.name) for plan in handler_plans(settings())] == [("log", "log"), ("screen", "screen")]
    loud = handler_plans(settings(bad=HandlerSettings(kind="log", min_severity="critical")))
    assert [(plan.kind, plan.name, plan.min_severity) for plan in loud] == [
        ("screen", "screen", Severity.INFO),
        ("log", "bad", Severity.CRITICAL),
    ]
    off = handler_plans(settings(screen=HandlerSettings(kind="screen", enabled=False)))
    assert [plan.kind for plan in off] == ["log"]
    taken = handler_plans(settings(log=HandlerSettings(kind="bell")))
    assert [plan.name for plan in taken] == ["built-in-log", "screen", "log"]


GOOD = {
    "webhook": HandlerSettings(kind="webhook", url="https://example.org/x?y=1", token="secret"),
    "here": HandlerSettings(kind="webhook", url="http://[::1]:8080/"),
    "slack": HandlerSettings(kind="slack", url="https://hooks.slack.com/services/T/B/x"),
    "telegram": HandlerSettings(kind="telegram", token="1:x-y_z", to=("-100123", "@desk")),
    "ntfy": HandlerSettings(kind="ntfy", url="https://example.org/push/desk"),
    "email": HandlerSettings(
        kind="email", url="smtps://u:p%40@mail.example", to=("a@b.example",), sender="c@d.example"
    ),
    "exec": HandlerSettings(kind="exec", command=("/bin/true", "x"), timeout_secs=3, attempts=1, max_per_minute=9),
    "bell": HandlerSettings(kind="bell", rules=("store_*",)),
}


def test_good_settings_are_plans() -> None:
    """Nothing is wrong with them, they go to another process as JSON, and each becomes a handler."""
    given = AlertingSettings(handlers=GOOD)
    assert handler_problems(given) == []
    plans = handler_plans(given)
    converter = make_converter()
    again = converter.loads(converter.dumps(plans, tuple[HandlerPlan, ...]), tuple[HandlerPlan, ...])
    assert again == plans
    assert again[-2].command == ("/bin/true", "x")
    assert [handler.name for handler in make_handlers(plans)] == ["log", "screen", *GOOD]
    assert "secret" not in repr(plans)


@pytest.mark.parametrize(
    ("handler", "problems"),
    [
        (HandlerSettings(kind="webhook"), ["url: webhook needs the address that it posts to"]),
        (HandlerSettings(kind="slack"), ["url: slack needs the address of an incoming webhook"]),
        (HandlerSettings(kind="telegram"), ["token: telegram needs the token of a bot",
                                            "to: telegram needs the chats that it writes to"]),
        (HandlerSettings(kind="telegram", token="1:x/../y", to=("42; x",)),
         ["token: has characters that no token of a bot has",
          "to: must be numbers of chats, or names of channels as @NAME"]),
        (HandlerSettings(kind="ntfy"), ["url: ntfy needs the address of a topic, as https://ntfy.sh/TOPIC"]),
        (HandlerSettings(kind="ntfy", url="https://ntfy.sh/"),
         ["url: must end in the name of a topic, as https://ntfy.sh/TOPIC"]),
        (HandlerSettings(kind="email"), ["url: email needs a mail server, as smtp://USER:PASSWORD@HOST:587",
                                         "to: email needs the addresses that it writes to",
                                         "sender: email needs the address that it is from"]),
        (HandlerSettings(kind="email", url="smtp://here", to=("a@b, c@d",), sender="a b@c"),
         ["to: must be addresses as NAME@HOST", "sender: must be an address as NAME@HOST"]),
        (HandlerSettings(kind="exec"), ["command: exec needs a program"]),
        (HandlerSettings(kind="exec", command=("true",)), ["command: true must be the full path of a program"]),
        (HandlerSettings(kind="exec", command=("/no/such",)), ["command: there is no file /no/such"]),
        (HandlerSettings(kind="exec", command=("/bin",)), ["command: there is no file /bin"]),
        (HandlerSettings(kind="webhook", url="https://h/", token="a\u00e9"),
         ["token: has characters that no token has"]),
    ],
)  # fmt: skip
def test_what_is_lacking_is_said(handler: HandlerSettings, problems: list[str]) -> None:
    """All of it, each with the name of its setting."""
    given = settings(desk=handler)
    assert handler_problems(given) == [f"alerting.handlers.desk.{problem}" for problem in problems]
    with pytest.raises(ConfigurationError) as caught:
        handler_plans(given)
    assert all(problem in str(caught.value) for problem in problems)
    assert handler_problems(settings(desk=HandlerSettings(kind="slack", enabled=False))) == []


@pytest.mark.parametrize(
    "url",
    [
        "SECRET", "ftp://SECRET", "https://", "https://:80/SECRET", "https://h:99999/SECRET", "https://h:0/SECRET",
        "https://h/SECRET x", "https://h/SECRET\u00e9", "https://[SECRET/", "http://SECRET.example/x",
        "http://10.0.0.1/SECRET", "http://localhost.SECRET/", "http://127.0.0.1.SECRET/",
        f"https://{'a' * 70}.b/SECRET",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["webhook", "slack", "ntfy", "telegram"])
def test_bad_addresses_are_refused_and_not_repeated(kind: str, url: str) -> None:
    """What is no address of the web, and what would go in the clear to another machine."""
    given = settings(desk=HandlerSettings(kind=kind, url=url, token="1:x", to=("1",)))
    assert len(handler_problems(given)) == 1
    assert "SECRET" not in handler_problems(given)[0]


@pytest.mark.parametrize(
    "url",
    [
        "SECRET", "https://u:SECRET@h", "smtp://", "smtp://u:SECRET@h:x", "smtp://u:SEC/RET@h", "smtp://u:SEC#RET@h",
        "smtp://u@h", "smtp://:SECRET@h", "smtp://u:SECRET%0d%0a@h", "smtp://h/SECRET", "smtp://h?SECRET",
    ],
)  # fmt: skip
def test_bad_mail_servers_are_refused_and_not_repeated(url: str) -> None:
    """With a hint how a password is written."""
    problems = handler_problems(settings(desk=HandlerSettings(kind="email", url=url, to=("a@b.c",), sender="a@b.c")))
    assert len(problems) == 1
    assert "SEC" not in problems[0]


@pytest.mark.parametrize(
    ("url", "port", "password"),
    [
        ("smtp://mail.example", 25, ""),
        ("smtp://u:a%2Fb@mail.example", 587, "a/b"),
        ("smtps://u:p@mail.example/", 465, "p"),
        ("smtp://u:p@mail.example:2525", 2525, "p"),
    ],
)
def test_mail_servers_have_usual_ports(url: str, port: int, password: str) -> None:
    """Those for handing in mail with a password, without one, and encrypted."""
    server = mail_server(url)
    assert (server.host, server.port, server.password) == ("mail.example", port, password)
    assert "password" not in repr(server)


@pytest.mark.parametrize("name", ["", "a b", "\x1b[2J", "x" * 65, "-x", "a/b"])
def test_names_are_names(name: str) -> None:
    """A key of TOML can be anything; it stands in logs and on the screen."""
    (problem,) = handler_problems(settings(**{name: HandlerSettings(kind="log")}))
    assert "is no name" in problem
    assert problem.isprintable()


def test_secrets_come_from_the_environment(tmp_path: Path) -> None:
    """The rest of a handler in the file, its secret in a variable."""
    file = tmp_path / "config.toml"
    file.write_text('[alerting.handlers.desk]\nkind = "slack"\n')
    variables = {"RINGSIDE__ALERTING__HANDLERS__DESK__URL": "https://hooks.slack.com/services/T/B/x"}
    loaded = load(file, environment=variables).settings
    assert [plan.url for plan in handler_plans(loaded.alerting) if plan.kind == "slack"] == list(variables.values())


def test_a_program_must_be_executable(tmp_path: Path) -> None:
    """A file without that right is said, with what to do about it."""
    program = tmp_path / "tell.sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o600)
    given = settings(desk=HandlerSettings(kind="exec", command=(str(program),)))
    (problem,) = handler_problems(given)
    assert problem.startswith("alerting.handlers.desk.command: /")
    assert problem.endswith(" is not executable (chmod +x it)")
    program.chmod(0o700)
    assert handler_problems(given) == []


def test_an_unknown_kind_is_refused() -> None:
    """A plan from elsewhere may say anything."""
    with pytest.raises(ConfigurationError, match="no kind of handler"):
        make_handlers([HandlerPlan(kind="fax", name="desk")])


def test_plans_load_nothing_heavy() -> None:
    """`config check` looks at them in no time."""
    script = (
        "import sys; import console.alerting.handlers.plan\n"
        "print(sorted({'trio', 'httpx', 'numpy', 'smtplib', 'msgspec'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [("feed_*", "stale_feed"), ("stale_fed", "stale_feed"), ("store-lag", "store_lag"), ("zz", "")],
)
def test_a_pattern_that_fits_no_rule_is_said(pattern: str, meant: str) -> None:
    """With what may be meant, and no engine starts with it: its handler would never hear. Not of one that is off."""
    given = settings(desk=HandlerSettings(kind="log", rules=("stale_feed", pattern)))
    (problem,) = alerting_problems(given)
    assert problem.startswith("alerting.handlers.desk.rules: no rule is called '")
    assert problem.endswith(f" (did you mean {meant}?)" if meant else "'")
    assert problem.isprintable()
    with pytest.raises(ConfigurationError, match="no rule is called"):
        alert_plan(given)
    assert alerting_problems(settings(desk=HandlerSettings(kind="log", enabled=False, rules=(pattern,)))) == []


def test_patterns_fit_rules_of_ours_and_of_ones_own() -> None:
    """In any case, rules that are switched off too; only a star stands for something else."""
    handler = HandlerSettings(kind="log", rules=("*", "STORE_*", "stale_feed", "mine*"))
    mine = {"mine_too": RuleSettings(metric="stale", above=1.0, enabled=False)}
    assert alerting_problems(AlertingSettings(handlers={"desk": handler}, rules=mine)) == []
    (problem,) = alerting_problems(settings(desk=HandlerSettings(kind="log", rules=("stor?_lag",))))
    assert "stor?_lag" in problem
