"""Packets and flows, as they come in whatever order: each packet goes to its flow, once and in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.capture.packets import ACK, RST, SYN, between, seen

from bustedwall.capture.packet import ends
from bustedwall.capture.pcap import record
from bustedwall.capture.sorting import Sorting

DOOR = ("127.0.0.1", 8081)
SERVER = ("127.0.0.1", 8080)


def client(number: int) -> tuple[str, int]:
    return ("127.0.0.1", 40000 + number)


def ours(number: int) -> tuple[str, int]:
    return ("127.0.0.1", 50000 + number)


def kept(*packets: tuple[int, bytes]) -> bytes:
    return b"".join(record(stamp, len(data), data) for stamp, data in packets)


def ended(sorting: Sorting, number: int, now: float = 0.0) -> bytes:
    """End a flow; return the rest of it."""
    sorting.end(number, now)
    return {flow.number: data for flow, data, _ in sorting.finished(now)}[number]


def test_what_came_before_its_flow_is_the_beginning_of_it() -> None:
    sorting = Sorting()
    syn, synack = between(client(1), DOOR, SYN), between(DOOR, client(1), SYN | ACK)
    sorting.take(seen(1, syn), 0)
    sorting.take(seen(2, synack), 0)
    assert not [*sorting.look()]
    sorting.begin(1, ends(DOOR, client(1)), 0, 0)
    assert not sorting.waiting
    assert ended(sorting, 1) == kept((1, syn), (2, synack))
    assert sorting.idle


def test_both_legs_are_in_one_file_and_no_others() -> None:
    sorting = Sorting()
    for number in (1, 2):
        sorting.begin(number, ends(DOOR, client(number)), 0, 0)
        sorting.join(number, ends(ours(number), SERVER), 0)
    sent: dict[int, list[tuple[int, bytes]]] = {1: [], 2: []}
    for stamp in range(1, 9):
        number = 1 + stamp % 2
        packet = between(client(number), DOOR) if stamp < 5 else between(SERVER, ours(number))
        sent[number].append((stamp, packet))
        sorting.take(seen(stamp, packet), 0)
    assert {number: ended(sorting, number) for number in (1, 2)} == {n: kept(*packets) for n, packets in sent.items()}


def test_what_comes_late_is_put_in_front_of_what_came_before_it() -> None:
    """Our SYN to the upstream is known to be the flow's only when the client's data may have been seen."""
    sorting = Sorting()
    sorting.begin(1, ends(DOOR, client(1)), 0, 0)
    syn, data = between(ours(1), SERVER, SYN), between(client(1), DOOR, ACK, b"x")
    sorting.take(seen(1, syn), 0)
    sorting.take(seen(2, data), 0)
    assert not [*sorting.look()]
    sorting.join(1, ends(ours(1), SERVER), 0)
    assert [written for _, written, _ in sorting.look()] == [kept((1, syn))]
    assert [written for _, written, _ in sorting.look()] == [kept((2, data))]


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=40))
def test_each_packet_is_written_once_and_none_is_held_at_the_end(steps: list[tuple[int, bool]]) -> None:
    sorting, written, packet = Sorting(), b"", between(client(1), DOOR)
    sorting.begin(1, ends(DOOR, client(1)), 0, 0)
    for stamp, look in steps:
        sorting.take(seen(stamp, packet), 0)
        if look:
            written += b"".join(data for _, data, _ in sorting.look())
    written += ended(sorting, 1)
    single = [written[at : at + len(packet) + 16] for at in range(0, len(written), len(packet) + 16)]
    assert sorted(single) == sorted(kept((stamp, packet)) for stamp, _ in steps)
    assert sorting.held == sorting.waiting == 0


def test_a_packet_that_passes_two_interfaces_is_in_it_once_and_a_second_one_is_another() -> None:
    sorting = Sorting()
    sorting.begin(1, ends(DOOR, client(1)), 0, 0)
    packet = between(client(1), DOOR)
    for stamp, device in ((1, 3), (2, 7), (3, 3)):
        sorting.take(seen(stamp, packet, device=device), 0)
    assert ended(sorting, 1) == kept((1, packet), (3, packet))


def test_after_the_end_what_still_comes_is_in_it_until_its_time_is_over() -> None:
    sorting = Sorting()
    sorting.begin(1, ends(DOOR, client(1)), 0, 0)
    sorting.end(1, 10.0)
    rst = between(client(1), DOOR, RST)
    sorting.take(seen(1, rst), 10.5)
    assert not [*sorting.finished(9.9)]
    assert [data for _, data, _ in sorting.finished(10.0)] == [kept((1, rst))]
    sorting.take(seen(2, rst), 11.5)
    assert not sorting.flows
    assert sorting.waiting, "it waits for another flow between these ends"


def test_a_syn_between_the_same_ends_after_the_end_is_of_the_next_flow() -> None:
    sorting = Sorting()
    first, last, syn = (between(client(1), DOOR, flags) for flags in (ACK, RST, SYN))
    sorting.begin(1, ends(DOOR, client(1)), 0, 0)
    sorting.take(seen(1, first), 0)
    sorting.take(seen(2, last), 0)
    sorting.end(1, 0)
    sorting.take(seen(3, syn), 0)
    sorting.begin(2, ends(DOOR, client(1)), 0, 0)
    assert ended(sorting, 1) == kept((1, first), (2, last))
    assert ended(sorting, 2) == kept((3, syn))


def test_of_one_that_nobody_accepts_only_the_first_packets_wait_and_the_rest_is_counted_if_it_becomes_a_flow() -> None:
    sorting = Sorting()
    packet = between(client(1), DOOR)
    for stamp in range(100):
        sorting.take(seen(stamp, packet), 0)
    assert sorting.lost == 0, "perhaps it is none of ours"
    sorting.begin(1, ends(DOOR, client(1)), 0, 0)
    assert sorting.lost == 36
    assert ended(sorting, 1) == kept(*((stamp, packet) for stamp in range(64)))


def test_what_waits_has_a_bound_and_who_came_first_is_given_up_first() -> None:
    one = len(kept((1, between(client(1), DOOR))))
    sorting = Sorting(room=10 * one)
    for number in range(15):
        sorting.take(seen(number, between(client(number), DOOR)), 0)
        assert sorting.waiting <= 10 * one
    assert sorting.lost == 5
    for number in (4, 5):
        sorting.begin(number, ends(DOOR, client(number)), 0, 0)
    assert ended(sorting, 4) == b""
    assert ended(sorting, 5) == kept((5, between(client(5), DOOR)))


def test_packets_for_which_no_flow_has_come_in_a_minute_are_forgotten() -> None:
    sorting = Sorting()
    sorting.take(seen(1, between(client(1), DOOR)), 0)
    sorting.tidy(59.9)
    assert not sorting.idle
    sorting.tidy(60.0)
    assert sorting.idle
    assert sorting.waiting == sorting.lost == 0
