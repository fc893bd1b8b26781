"""From plans to those who hear."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from console.alerting.handlers.base import Handler
from console.alerting.handlers.plan import HandlerPlan
from core.errors import ConfigurationError


def make_handlers(plans: Iterable[HandlerPlan], *, terminal: TextIO | None = None) -> tuple[Handler, ...]:
    """One for each plan, in their order. `terminal` is where bells ring themselves, if it is a terminal: stderr of an
    engine without a screen.

    Raises:
        ConfigurationError: there is no such kind.
    """
    return tuple(_opened(plan, terminal) for plan in plans)


def _opened(plan: HandlerPlan, terminal: TextIO | None) -> Handler:
    # Each kind is loaded when it is first wanted: few have all, and HTTP and mail take their time.
    handler: Handler
    match plan.kind:
        case "log":
            from console.alerting.handlers.log import LogHandler

            handler = LogHandler(plan)
        case "screen":
            from console.alerting.handlers.screen import ScreenHandler

            handler = ScreenHandler(plan)
        case "bell":
            from console.alerting.handlers.screen import BellHandler

            handler = BellHandler(plan, terminal)
        case "webhook":
            from console.alerting.handlers.webhook import WebhookHandler

            handler = WebhookHandler(plan)
        case "slack":
            from console.alerting.handlers.slack import SlackHandler

            handler = SlackHandler(plan)
        case "telegram":
            from console.alerting.handlers.telegram import TelegramHandler

            handler = TelegramHandler(plan)
        case "ntfy":
            from console.alerting.handlers.ntfy import NtfyHandler

            handler = NtfyHandler(plan)
        case "email":
            from console.alerting.handlers.mail import MailHandler

            handler = MailHandler(plan)
        case "exec":
            from console.alerting.handlers.program import ProgramHandler

            handler = ProgramHandler(plan)
        case _:
            raise ConfigurationError(
                "alert handlers", f"{plan.name}: no kind of handler is called {plan.kind[:40]!a}"
            )
    return handler
