"""What a template learns of the time."""

from datetime import datetime

from segue.chat.template.clock import may_tell_time, times_at

MOMENT = datetime(2026, 2, 3, 4, 5).timestamp()


def test_all_names_tell_the_same_moment() -> None:
    times = times_at(MOMENT)
    assert times.pop("strftime_now")("%Y-%m-%d %H:%M") == "2026-02-03 04:05"
    assert times == {"date_string": "03 Feb 2026", "datetime": "Feb 03 2026"}


def test_a_template_may_tell_the_time_by_any_name() -> None:
    assert not may_tell_time("{{ message.content }}")
    for name in times_at(MOMENT):
        assert may_tell_time(f"{{{{ {name} }}}}")
