"""What the system says of its own troubles."""

from processing_material import NOW, SECOND

from processing.alarms import RULES, SHOWN_FOR, AlarmBook

QUIET = {
    "spoolFull": False,
    "databaseAway": False,
    "sessionsLost": 0,
    "brokerDropped": 0,
    "spoolQuarantined": 0,
    "policyRefused": None,
}


def test_a_quiet_pipeline_raises_nothing() -> None:
    book = AlarmBook()
    assert book.update(QUIET, NOW) == []
    assert book.active == []


def test_a_condition_is_active_while_it_lasts_and_says_when_it_was_over() -> None:
    book = AlarmBook()
    (raised,) = book.update(QUIET | {"databaseAway": True}, NOW)
    assert book.update(QUIET | {"databaseAway": True}, NOW + SECOND) == []
    assert [a.rule.id for a in book.active] == ["database_away"]
    (cleared,) = book.update(QUIET, NOW + 2 * SECOND)
    assert (raised.since, raised.until, cleared.since, cleared.until) == (NOW, None, NOW, NOW + 2 * SECOND)
    assert book.active == []


def test_a_condition_that_knows_its_reason_tells_it_and_tells_when_it_changes() -> None:
    book = AlarmBook()
    told = [book.update(QUIET | {"policyRefused": reason}, NOW + n) for n, reason in enumerate(["a", "a", "b", None])]
    assert [[(alarm.detail, alarm.since, alarm.until) for alarm in alarms] for alarms in told] == [
        [("a", NOW, None)],
        [],
        [("b", NOW, None)],
        [("b", NOW, NOW + 3)],
    ]


def test_an_event_stays_for_an_hour_after_it_happened_last() -> None:
    book = AlarmBook()
    book.update(QUIET | {"sessionsLost": 1}, NOW)
    (again,) = book.update(QUIET | {"sessionsLost": 2}, NOW + SECOND)
    assert (again.count, again.since) == (2, NOW + SECOND)
    assert book.update(QUIET | {"sessionsLost": 2}, NOW + SECOND + SHOWN_FOR) == []
    (cleared,) = book.update(QUIET | {"sessionsLost": 2}, NOW + 2 * SECOND + SHOWN_FOR)
    assert cleared.until is not None


def test_the_worst_comes_first_and_every_alarm_has_words_in_both_languages() -> None:
    book = AlarmBook()
    book.update(dict.fromkeys(QUIET, 1), NOW)
    documents = [alarm.document(lambda micros: str(micros)) for alarm in book.active]
    assert [d["severity"] for d in documents] == ["CRITICAL"] + ["MAJOR"] * (len(RULES) - 2) + ["WARNING"]
    assert all(d["text"]["zh"] and d["text"]["en"] and d["state"] == "ACTIVE_UNACK" for d in documents)
