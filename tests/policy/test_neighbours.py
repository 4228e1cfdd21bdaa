from segue.policy.neighbours import Neighbours
from segue.prefix.checkpoint import Checkpoint
from segue.prefix.tree import Tree
from tests.prefix.naive import checkpoint, tokens


def fork() -> dict[str, Checkpoint]:
    """Two on a trunk, one further along it, and one that leaves after the second."""
    tree = Tree()
    paths = {
        "a": range(10),
        "b": range(20),
        "c": range(60),
        "d": (*range(20), *range(100, 110)),
    }
    made = {name: checkpoint(len(path)) for name, path in paths.items()}
    for name in ("c", "a", "b", "d"):
        tree.attach(made[name], tokens(tuple(paths[name])))
    return made


def test_neighbours_as_the_tree_has_them() -> None:
    made = fork()
    neighbours = Neighbours(made.values())
    above = {name: neighbours.above(one) for name, one in made.items()}
    below = {name: neighbours.below(one) for name, one in made.items()}
    assert above == {"a": None, "b": made["a"], "c": made["b"], "d": made["b"]}
    assert below == {"a": made["b"], "b": made["c"], "c": None, "d": None}


def test_what_is_dropped_is_passed_over() -> None:
    made = fork()
    neighbours = Neighbours(made.values())
    assert set(neighbours.remove(made["b"])) == {made["a"], made["c"], made["d"]}
    assert neighbours.above(made["c"]) is neighbours.above(made["d"]) is made["a"]
    assert neighbours.below(made["a"]) is made["c"]
    assert set(neighbours.remove(made["a"])) == {made["c"], made["d"]}
    assert neighbours.above(made["c"]) is neighbours.above(made["d"]) is None
    assert neighbours.remove(made["c"]) == []


def test_others_stay_where_they_are() -> None:
    made = fork()
    neighbours = Neighbours([made["c"], made["d"]])
    assert neighbours.above(made["c"]) is made["b"]
    assert neighbours.remove(made["c"]) == []
