from segue.commands.cache.contents import DirectoryContents
from tests.commands.cache.making import IDS


def test_the_tokens_of_a_chain_that_leaves_a_link_before_its_end(contents: DirectoryContents) -> None:
    one, two, three, four = contents.find([IDS[1], IDS[2], IDS[3], IDS[4]])
    assert one.ends == (100, 150)
    assert two.ends == (60, 75)
    assert four.ends == (30,)
    assert three.ends == ()
    assert one.tail(1000).tolist() == list(range(150))
    assert two.tail(1000).tolist() == list(range(75))
    assert two.tail(3).tolist() == [72, 73, 74]
    assert three.tail(2).tolist() == [38, 39]
    assert four.tail(2).tolist() == [28, 29]
