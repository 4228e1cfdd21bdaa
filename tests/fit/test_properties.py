"""Over models and machines of all sizes: a choice fits or is refused, and more memory never gives less."""

from hypothesis import given, settings
from hypothesis import strategies as st

from segue.fit.asked import Asked
from segue.fit.choice import FitChoice
from segue.fit.choose import choose
from segue.fit.errors import FitError
from segue.fit.figures import ContextFigures, LayerMemory
from segue.fit.layout import ModelLayout, TensorSize
from segue.fit.memory_devices import DeviceMemory, HostMemory
from segue.fit.placement import Placement

MIB = 1 << 20
SIZES = st.integers(0, 64 * MIB)


@st.composite
def layouts(draw: st.DrawFn) -> ModelLayout:
    n_layers = draw(st.integers(1, 12))
    tensors = [TensorSize("token_embd.weight", draw(SIZES))]
    if draw(st.booleans()):
        tensors.append(TensorSize("output.weight", draw(SIZES)))
    has_experts = draw(st.booleans())
    for i in range(n_layers):
        tensors.append(TensorSize(f"blk.{i}.attn_q.weight", draw(SIZES)))
        if has_experts:
            tensors.append(TensorSize(f"blk.{i}.ffn_up_exps.weight", draw(SIZES)))
    return ModelLayout(tuple(tensors), n_layers, n_layers)


@st.composite
def memories(draw: st.DrawFn, n_layers: int) -> ContextFigures:
    part = st.one_of(st.just(0.0), st.floats(1, 4096))
    state = st.one_of(st.just(0.0), st.floats(1, 4 * MIB))
    layers = tuple(LayerMemory(draw(part), draw(state), draw(state)) for _ in range(n_layers))
    return ContextFigures(layers, draw(st.integers(0, MIB)), draw(st.booleans()))


def compute(placement: Placement, n_cells: int, n_seq: int) -> dict[str, int]:
    return {f"GPU{i}": MIB + 64 * n_cells for i in range(len(placement.n_on))} | {"CPU": 1024 * n_cells + n_seq}


@st.composite
def cases(draw: st.DrawFn) -> tuple[ModelLayout, ContextFigures, list[int], Asked]:
    layout = draw(layouts())
    sizes = draw(st.lists(st.integers(2 * MIB, 2048 * MIB), max_size=3))
    n_ctx_train = draw(st.integers(256, 1 << 18))
    asked = Asked(
        n_slots=draw(st.integers(1, 8)),
        n_ctx_train=n_ctx_train,
        n_ctx_most=n_ctx_train,
        n_ctx=draw(st.one_of(st.just(0), st.integers(1, 1 << 18))),
        n_ctx_least=4096,
        parked_mib=draw(st.one_of(st.none(), st.integers(0, 512))),
        is_unified=draw(st.booleans()),
        is_kv_offloaded=draw(st.booleans()),
    )
    return layout, draw(memories(layout.n_layers)), sizes, asked


def chosen(layout: ModelLayout, memory: ContextFigures, sizes: list[int], asked: Asked, host: int) -> FitChoice | None:
    devices = [DeviceMemory(f"GPU{i}", size, size, target_bytes=MIB) for i, size in enumerate(sizes)]
    try:
        return choose(devices, HostMemory(host, host), layout, memory, asked, compute)
    except FitError:
        return None


@given(cases(), st.integers(MIB, 4096 * MIB))
@settings(max_examples=300, derandomize=True, deadline=None)
def test_a_choice_fits_and_keeps_what_was_asked_for(
    case: tuple[ModelLayout, ContextFigures, list[int], Asked], host: int
) -> None:
    layout, memory, sizes, asked = case
    choice = chosen(layout, memory, sizes, asked, host)
    if choice is None:
        return
    *devices, on_host = choice.usages
    assert all(usage.left >= 0 for usage in devices)
    assert on_host.cells + on_host.states + on_host.compute <= host
    assert sum(usage.n_layers for usage in choice.usages) == layout.n_layers
    assert choice.placement.n_on_devices + choice.placement.n_on_host == layout.n_layers + 1
    assert choice.sizes.n_seq_max <= 256
    if asked.n_ctx:
        assert choice.sizes.n_ctx == min(asked.n_ctx, asked.n_ctx_train)
    assert 0 < choice.sizes.n_ctx <= asked.n_ctx_most
    assert choice.sizes.n_cells >= choice.sizes.n_ctx
    if asked.parked_mib == 0:
        assert choice.sizes.n_parked == 0


@given(cases(), st.integers(MIB, 4096 * MIB), st.integers(1, 1024 * MIB))
@settings(max_examples=300, derandomize=True, deadline=None)
def test_more_memory_never_gives_less(
    case: tuple[ModelLayout, ContextFigures, list[int], Asked], host: int, more: int
) -> None:
    layout, memory, sizes, asked = case
    small = chosen(layout, memory, sizes[:1], asked, host)
    large = chosen(layout, memory, [size + more for size in sizes[:1]], asked, host + more)
    if small is None:
        return
    assert large is not None
    before, after = small.placement, large.placement
    assert after.n_on_devices >= before.n_on_devices
    if (after.n_on, after.n_host_experts) == (before.n_on, before.n_host_experts):
        assert large.sizes.n_ctx >= small.sizes.n_ctx
