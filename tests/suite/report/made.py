"""A result that no run has given, with all that is hard for a report."""

from __future__ import annotations

from dataclasses import replace

from bustedwall.suite.result import CaseResult, Happened, Line, Phase, PhaseName, Sample, SuiteResult, Verdict

HOSTILE = "</script><script>document.title = 'taken'</script> <b>&amp; ]]> \x00\x1b[31m\ud800\ufffe ünï \U0001f600"


def case(verdict: Verdict, **more: object) -> CaseResult:
    facts = [
        Happened(0.1, "db", 1, "flow-accepted", {"client": "127.0.0.1:5"}),
        Happened(0.1, "db", 1, "flow-opened", {"upstream": "127.0.0.1:6"}),
        Happened(1.0, "db", 1, "rule-fired", {"rule": "cut/now", "coming": 1}),
        Happened(1.0, "db", 1, "reset-sent", {"leg": "client", "cause": "cut/now"}),
        Happened(1.1, "db", 1, "peer-finished", {"leg": "server"}),
        Happened(1.2, "db", 1, "flow-closed", {"from_client": 3000, "from_server": 250_000, "seconds": 1.1}),
    ]
    made = CaseResult(
        name=f"one-{verdict.value.lower()}[after=1kB]",
        scenario=f"one-{verdict.value.lower()}",
        line=12,
        about="What it shows.",
        values={"after": "1kB"},
        policies=("cut:after=1kB",),
        verdict=verdict,
        why=("it ended with exit 1, expected 0", "cut never fired"),
        again="bustedwall test s.yaml --seed 7 -k 'one[after=1kB]'",
        seconds=2.5,
        exit=1,
        phases=(
            Phase(PhaseName.WARM, 0.0, 0.5),
            Phase(PhaseName.BREAK, 0.5, 1.5),
            Phase(PhaseName.HEAL, 1.5, 2.5),
        ),
        lines=(Line(0.2, "warm"), Line(1.05, "Connection reset by peer")),
        facts=tuple(facts),
        samples=tuple(Sample(n / 10, "db", 1, 300 * n, 25_000 * n, n // 3, None) for n in range(2, 11)),
    )
    return replace(made, **more)  # type: ignore[arg-type]


def result(*cases: CaseResult) -> SuiteResult:
    return SuiteResult("pool", "s.yaml", 7, "0.1", "2026-11-26T10:20:30.5+00:00", 9.5, 2, cases)


def whole() -> SuiteResult:
    hostile = case(
        Verdict.FAILED,
        name=f"hostile {HOSTILE}",
        why=(HOSTILE, "second"),
        about=HOSTILE,
        lines=(Line(0.0, HOSTILE),),
        lines_left_out=5,
        facts_left_out=3,
    )
    return result(*map(case, Verdict), hostile)
