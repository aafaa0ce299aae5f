"""Load configs and policies: from files and command lines to immutable rules, or to every mistake in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from bustedwall.policy import template, typed
from bustedwall.policy.address import contradictions, one_door
from bustedwall.policy.applied import Applied, Policies
from bustedwall.policy.capture import capture, objections
from bustedwall.policy.check import check
from bustedwall.policy.config_model import ConfigFile, OnMissing, WrittenProxy
from bustedwall.policy.kind import Kind, expect, kind_of
from bustedwall.policy.limits import NO_LIMITS, WrittenLimits
from bustedwall.policy.missing import AS_WRITTEN, Terms
from bustedwall.policy.model import PolicyFile
from bustedwall.policy.parse import parse
from bustedwall.policy.problem import PolicyError, Problem
from bustedwall.policy.proxy_protocol import SILENT
from bustedwall.policy.rules import Rule
from bustedwall.policy.setup import Config, ProxySetup
from bustedwall.policy.shelf import Shelf, read_file, read_policy
from bustedwall.policy.source import Document, Place
from bustedwall.policy.source import Path as At
from bustedwall.policy.together import clashes
from bustedwall.policy.use import Use, read_entry, read_text
from bustedwall.terms.limits import DEFAULT_LIMITS, Limits
from bustedwall.terms.needs import NOTHING, Needs


def load_config(
    path: Path,
    missing: Needs = NOTHING,
    *,
    time_scale: float | None = None,
    on_missing: OnMissing | None = None,
    limits: WrittenLimits = NO_LIMITS,
) -> Config:
    """Load a config file and all policies that it uses; raises PolicyError with every problem.

    `missing` is what this machine's kernel cannot do. `time_scale`, `on_missing` and `limits` go
    before those of the file.
    """
    document = parse(read_file(path), str(path))
    expect(Kind.CONFIG, document)
    return config_of(document, path.parent, missing, time_scale=time_scale, on_missing=on_missing, limits=limits)


def config_of(
    document: Document,
    folder: Path | None,
    missing: Needs = NOTHING,
    *,
    time_scale: float | None = None,
    on_missing: OnMissing | None = None,
    limits: WrittenLimits = NO_LIMITS,
) -> Config:
    """As `load_config`, from a document; its relative policy paths start at the folder, None: it may name none."""
    file, found = check(ConfigFile, document)
    problems = [*document.problems, *found]
    for key, kind in (("proxies", "proxy"), ("define", "policy")):
        problems += template.repeated_names(document, (key,), kind)
    # Where the config itself is wrong its policies are still checked, as far as it can be understood.
    terms = Terms(
        time_scale or (1.0 if file is None else file.time_scale),
        missing,
        on_missing or (OnMissing.FAIL if file is None else file.on_missing),
    )
    loader = Loader(Shelf(folder), terms)
    loader.problems += loader.shelf.define(document)
    own = [loader.policies(_entries(document, proxy)) for proxy in _indices(document, ("proxies",))]
    problems += loader.problems
    proxies = () if file is None else tuple(file.proxies)
    for i, proxy in enumerate(proxies):
        problems += _objections(document, ("proxies", i), proxy, missing)
        for other in proxies[:i]:
            if proxy.enabled and other.enabled and one_door(proxy.listen, other.listen):
                what = f"proxy '{other.name}' listens at {other.listen} already"
                problems.append(document.problem(("proxies", i, "listen"), what))
    if file is None or problems:
        raise PolicyError(problems)
    of_config = limits.over(file.limits.over(DEFAULT_LIMITS))
    return Config(
        terms=terms,
        journal=Path(file.journal) if file.journal else None,
        proxies=tuple(
            _setup(proxy, found, limits.over(proxy.limits.over(of_config)), dry_run=file.dry_run)
            for proxy, found in zip(file.proxies, own, strict=True)
        ),
        seed=file.seed,
        limits=of_config,
        control=file.control.listen if file.control else None,
        upstreams=None if file.control is None or file.control.upstreams is None else tuple(file.control.upstreams),
        defined=loader.shelf.defined,
        dry_run=file.dry_run,
    )


def proxy_of(document: Document, config: Config, shelf: Shelf) -> ProxySetup:
    """Return the proxy that a document of its own describes, for a config that is loaded; raises PolicyError."""
    proxy, found = check(WrittenProxy, document)
    loader = Loader(shelf, config.terms)
    policies = loader.policies(_entries(document, ()))
    problems = [*document.problems, *found, *loader.problems]
    problems += [] if proxy is None else _objections(document, (), proxy, config.terms.missing)
    if proxy is None or problems:
        raise PolicyError(problems)
    return _setup(proxy, policies, proxy.limits.over(config.limits), dry_run=config.dry_run)


def _objections(document: Document, at: At, proxy: WrittenProxy, missing: Needs) -> Iterator[Problem]:
    """Tell which keys of a proxy contradict each other, or ask for what there is not."""
    for key, what, hint in contradictions(proxy.listen, proxy.upstream, proxy.source):
        yield document.problem((*at, key), what, hint)
    for key, what, hint, privilege in objections(proxy.pcap, proxy.snaplen, missing):
        yield replace(document.problem((*at, key), what, hint), privilege=privilege)


def _setup(proxy: WrittenProxy, policies: Policies, limits: Limits, *, dry_run: bool) -> ProxySetup:
    return ProxySetup(
        proxy.name,
        proxy.listen,
        proxy.upstream,
        policies.rules,
        policies.notices,
        proxy.proxy_protocol.settings() if proxy.proxy_protocol else SILENT,
        limits,
        proxy.source,
        proxy.mss,
        dry_run if proxy.dry_run is None else proxy.dry_run,
        capture(proxy.pcap, proxy.snaplen),
        policies.applied,
        proxy.enabled,
        proxy.turns,
    )


def load_typed(
    policies: Sequence[str], faults: Sequence[str] = (), when: str | None = None, terms: Terms = AS_WRITTEN
) -> Policies:
    """Load what a command line says of one proxy; raises PolicyError with every problem.

    Each of `policies` is `NAME[:key=value,key=value]`, where NAME may be a path, relative to the
    working directory. `faults` are the steps of one more rule, as in `reset client`; `when` is its
    moment, as in `bytes 1000B from server`.
    """
    loader = Loader(Shelf(Path()), terms)
    uses: list[Callable[[], Use]] = [partial(read_text, text, "--policy") for text in policies]
    if faults:
        try:
            uses.append(partial(loader.shelf.take, typed.policy(faults, when)))
        except PolicyError as error:
            loader.problems += error.problems
    found = loader.policies(uses)
    if loader.problems:
        raise PolicyError(loader.problems)
    return found


def load_limits(texts: Sequence[str]) -> WrittenLimits:
    """Return the limits that a command line sets, each of `texts` is `NAME=VALUE`; raises PolicyError."""
    found, problems = check(WrittenLimits, typed.limits(texts))
    if found is None:
        raise PolicyError(problems)
    return found


def load_use(text: str, time_scale: float = 1.0) -> tuple[Rule, ...]:
    """Load one policy as `--policy` does; raises PolicyError. `time_scale` is more than 0."""
    return load_typed([text], terms=Terms(time_scale)).rules


def load_policy(path: Path) -> PolicyFile:
    """Load one policy file with its defaults, for what it says about itself; raises PolicyError."""
    return read_policy(path).file


def problems_of(path: Path) -> tuple[Problem, ...]:
    """Return what is wrong with a file, a policy or a config, and with all that it uses."""
    try:
        document = parse(read_file(path), str(path))
        if kind_of(document) is Kind.CONFIG:
            config_of(document, path.parent)
        else:
            template.read(document, path.stem)
    except PolicyError as error:
        return error.problems
    return ()


class Loader:
    """One load: its problems are told once, all together."""

    def __init__(self, shelf: Shelf, terms: Terms) -> None:
        self.shelf = shelf
        self.problems: list[Problem] = []
        self._terms = terms

    def policies(self, uses: Iterable[Callable[[], Use]], among: Sequence[Applied] = ()) -> Policies:
        """Return the policies of one proxy; each use is read here, and problems are kept.

        `among`: those that it has beside them.
        """
        found: list[tuple[Applied, Place | None]] = [(policy, None) for policy in among]
        names: set[str] = set()
        for read in uses:
            try:
                use = read()
                policy = self.shelf.find(use)
                if policy.file.name in names:
                    what = f"this proxy has policy '{policy.file.name}' already"
                    self.problems.append(use.place.problem(what, "one proxy takes each policy once", at_key=True))
                names.add(policy.file.name)
                given = {name: value.value for name, value in use.given.items()}
                found.append((Applied.of(policy, given, policy.bind(use.given, use.place, self._terms)), use.place))
            except PolicyError as error:
                self.problems += error.problems
        rules = [(rule, place) for policy, place in found for rule in policy.rules]
        for clash in clashes([rule for rule, _ in rules]):
            place = rules[clash.rule][1]
            assert place is not None, "those that are there go together, and they come first"
            self.problems.append(place.problem(clash.what, clash.hint, at_key=True))
        return Policies(tuple(policy for policy, _ in found))


def _entries(document: Document, proxy: At) -> Iterator[Callable[[], Use]]:
    return (partial(read_entry, document, entry) for entry in _indices(document, (*proxy, "policies")))


def _indices(document: Document, path: At) -> Iterator[At]:
    """Return the paths of the entries of a list; none where there is no list."""
    entries = document.at(path)
    return ((*path, i) for i in range(len(entries) if isinstance(entries, list) else 0))
