"""`bustedwall apply`: have a proxy of a run use a policy."""

from __future__ import annotations

from pathlib import Path

import click

from bustedwall.cli.asking import addressed, asking, tell, which
from bustedwall.cli.words import Words
from bustedwall.policy.problem import PolicyError
from bustedwall.policy.use import Use, read_text
from bustedwall.terms.units import duration


def _use(text: str) -> Use:
    try:
        return read_text(text, "POLICY")
    except PolicyError as error:
        raise ValueError(error.problems[0].sentence()) from None


@click.command()
@click.argument("policy", type=Words("NAME[:k=v,…]", _use))
@click.option("--proxy", metavar="NAME", help="Which proxy, where there are several.")
@click.option("--for", "span", type=Words("DURATION", duration), help="It goes by itself after so long, as in 10s.")
@click.option("--flow", type=click.IntRange(1), help="Only on the flow with this number; it goes when that ends.")
@addressed
def apply(
    policy: Use,
    proxy: str | None,
    span: float | None,
    flow: int | None,
    control: str | None,
    token_file: Path | None,
    *,
    as_json: bool,
) -> None:
    """Have a proxy use a policy of the library or of the run, beside those that it has.

    \b
    bustedwall apply slow-link:delay=80ms
    bustedwall apply gave-up-rst --proxy orders --for 10s
    bustedwall apply reset-mid-response:after=1kB --flow 17
    """  # noqa: D301 (\b, a backspace, tells click to keep the lines)
    values = {name: located.value for name, located in policy.given.items()}
    with asking(control, token_file) as client:
        name = which(client, proxy)
        told = client.proxy(name).apply(policy.policy, values, span=span, flow=flow)  # type: ignore[arg-type]  # scalars
    tell(told, f"{name}: {', '.join(one['policy'] for one in told['policies'])}", as_json=as_json)
