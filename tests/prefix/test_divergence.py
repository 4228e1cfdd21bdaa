from segue.prefix.divergence import Divergence, Divergences

ENDS = (10, 20, 30, 40, 50)


def distances(known: Divergences) -> list[int]:
    return [one.distance for one in known.seen]


def test_a_distance_counts_the_boundaries_behind_the_divergence() -> None:
    first = Divergences().then(0, ENDS)
    assert distances(first) == []
    assert distances(first.then(30, (10, 20, 30, 45, 60))) == [2]
    assert distances(first.then(33, (10, 20, 30, 45, 60))) == [2]
    assert distances(first.then(12, (10, 15))) == [4]


def test_the_next_prompt_is_expected_to_leave_at_the_same_distance() -> None:
    known = Divergences().then(0, ENDS).then(33, (10, 20, 30, 45, 60, 70, 80))
    assert known.expected((10, 20, 30, 45, 60, 70, 80)) == (60,)
    assert known.expected((10, 20)) == ()


def test_a_prompt_that_goes_on_from_another_does_not_diverge() -> None:
    assert distances(Divergences().then(0, ENDS).then(50, (*ENDS, 60, 70))) == []
    assert distances(Divergences().then(0, ENDS).then(53, (*ENDS, 60, 70))) == []


def test_the_prompt_counts_that_first_read_past_the_divergence() -> None:
    grown = Divergences().then(0, ENDS).then(53, (*ENDS, 60, 70)).then(73, (*ENDS, 60, 70, 80, 90))
    assert distances(grown.then(41, (10, 20, 30, 40, 55))) == [1]
    assert distances(grown.then(61, (*ENDS, 60, 75))) == [1]
    assert distances(grown.then(72, (*ENDS, 60, 70, 99))) == [2]


def test_the_latest_four_are_known_and_old_ones_are_forgotten() -> None:
    known = Divergences()
    for distance in (1, 2, 3, 2, 4, 3, 5):
        ends = tuple(range(10, 210, 10))
        known = Divergences(seen=known.seen).then(0, ends).then(ends[-1 - distance] + 1, ends)
    assert distances(known) == [5, 3, 4, 2]
    for _ in range(40):
        known = known.then(10_000, ENDS)
    assert distances(known) == []


def test_a_divergence_before_all_that_is_remembered_says_nothing() -> None:
    ends = tuple(range(10, 1010, 10))
    assert distances(Divergences().then(0, ends).then(25, (10, 20, 27))) == []


def test_a_repeat_is_no_other_prompt() -> None:
    known = Divergences().then(0, ENDS)
    assert known.then(55, ENDS).prompts == known.prompts
    assert known.seen == ()
    assert Divergence(1).age == 0
