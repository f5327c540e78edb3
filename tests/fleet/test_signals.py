"""Signals: any number of listeners, each until it has had enough."""

from sandtui.fleet.signals import Signal


def test_all_who_listen_hear_in_their_order():
    told, signal = [], Signal()
    for name in "ab":
        signal.subscribe(lambda news, name=name: told.append((name, news)))
    signal(1)
    assert told == [("a", 1), ("b", 1)]


def test_a_listener_ends_on_its_own_even_when_another_is_the_same_function():
    told, signal = [], Signal()
    end = signal.subscribe(told.append)
    signal.subscribe(told.append)
    end()
    end()
    signal(1)
    assert told == [1]


def test_who_subscribes_or_ends_during_a_call_changes_nothing_about_it():
    told, signal = [], Signal()

    def first():
        told.append("first")
        signal.subscribe(lambda: told.append("late"))
        end()

    signal.subscribe(first)
    end = signal.subscribe(lambda: told.append("second"))
    signal()
    assert told == ["first", "second"]
