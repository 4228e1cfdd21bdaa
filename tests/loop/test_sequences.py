from segue.loop.end import EndReason
from tests.kit.fake_engine.reading import expected_reply
from tests.loop.conftest import MakeFakeRig
from tests.loop.fake_rig import text


def test_the_sequences_that_run_are_always_the_lowest(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    lengths = (2, 30, 9, 20)
    with rig.held():
        asked = [rig.send(text(1 + i, 20), n) for i, n in enumerate(lengths)]
    for i, (heard, n) in enumerate(zip(asked, lengths, strict=True)):
        assert heard.wait().reason is EndReason.LIMIT
        assert heard.tokens == expected_reply(rig.kind, text(1 + i, 20), n)
    streaming = [set(call) for call in rig.engine.decoded[-26:]]
    assert all(seqs == set(range(len(seqs))) for seqs in streaming)
    assert {len(seqs) for seqs in streaming} == {1, 2, 3}


def test_sequences_with_cells_of_their_own_stay_where_they_are(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig(reproducible=True)
    with rig.held():
        asked = [rig.send(text(1 + i, 20), n) for i, n in enumerate((2, 30))]
    for heard in asked:
        heard.wait()
    assert [set(call) for call in rig.engine.decoded][-20:] == 20 * [{1}]
