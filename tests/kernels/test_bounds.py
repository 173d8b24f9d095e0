"""Bounds on late scores are never violated, by the definition nor by a kernel, and they close where they must."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from otmel.kernels import Affine, Formula, LaneBlocks, Senders, pack, select
from otmel.kernels.bounds import LateBounds, bounds, refusal
from otmel.kernels.definition import late_scores
from otmel.ot import Attention, LearnedPool, Marginals, MaxPool, MeanPool, Pool, Sinkhorn, SoftPool, Transport
from otmel.training.settings import PRESETS

D = 12
SOLVERS = {"1": (1, None), "3": (3, None), "20": (20, None), "tolerance": (100, 1e-4), "coarse": (50, 0.05)}
POOLS = {"soft": SoftPool(), "mean": MeanPool(), "max": MaxPool(), "learned": LearnedPool(norm=False)}
KINDS = ("random", "clustered", "near-identical")


def affine(generator):
    return Affine(0.5 + torch.rand(D, generator=generator), 0.3 * torch.randn(D, generator=generator), 1e-5)


def formula(assignment, pool: Pool, residual=False, norm="", seed=0) -> Formula:
    """A formula with random parameters; ``norm`` names the LayerNorms: tokens, pool."""
    generator = torch.Generator().manual_seed(seed)
    learned = isinstance(pool, LearnedPool)
    return Formula(
        assignment,
        pool,
        residual,
        affine(generator) if "tokens" in norm else None,
        0.5 * torch.randn(D, generator=generator) if learned else None,
        affine(generator) if learned and "pool" in norm else None,
    )


def of_preset(name: str, pool: Pool | None = None) -> Formula:
    model = PRESETS[name].model
    pool = pool or model.pool
    norms = ("tokens " if model.shape.layer_norm else "") + ("pool" if getattr(pool, "norm", False) else "")
    assert model.matching is not None
    return formula(model.matching, pool, model.shape.residual, norms)


def transport(epsilon=0.05, solver="3", row_norm="sum", relax=(1.0, 1.0), threshold=None) -> Transport:
    iterations, tolerance = SOLVERS[solver]
    solver = Sinkhorn(epsilon=epsilon, iterations=iterations, tolerance=tolerance, relax=relax)
    return Transport(solver=solver, row_norm=row_norm, threshold=threshold)


class World:
    """Ragged entities and mentions; a mention without tokens and an entity with one are always among them."""

    def __init__(self, formula, kind="random", seed=0, entities=24, scale=0.5, precision="float32", longest=6):
        generator = torch.Generator().manual_seed(seed)
        tokens, keys = (self._tokens(kind, n, longest, generator) for n in (entities, 4))
        lengths = torch.randint(1, longest + 1, (entities,), generator=generator)
        lengths[0] = 1
        sent = torch.tensor([longest, 0, 1, max(1, longest - 2)])
        target, values = (torch.randn(*s, generator=generator) for s in ((entities, D), (4, longest, D)))
        mask = torch.arange(longest) < lengths.unsqueeze(1)
        self.senders = Senders.of(keys, values * scale + 0.3, torch.arange(longest) < sent.unsqueeze(1))
        packed = pack(formula.queries(tokens), mask, target, precision)
        self.blocks: LaneBlocks = packed.blocks
        self.tokens, self.mask, self.target = packed.blocks.unpacked(torch.arange(packed.blocks.lengths.numel()))
        self.formula = formula

    @staticmethod
    def _tokens(kind, count, longest, generator):
        def random(*shape):
            return torch.randn(*shape, generator=generator)

        if kind == "random":
            return random(count, longest, D)
        noise = {"clustered": 0.3, "near-identical": 1e-3, "identical": 0.0}[kind]
        basis = random(D // 4, D)
        return (random(count, 1, D // 4) + noise * random(count, longest, D // 4)) @ basis + 2 * random(D)

    def truth(self):
        mask = torch.arange(self.senders.keys.shape[1]) < self.senders.lengths.unsqueeze(1)
        mentions = (self.senders.keys.double(), self.senders.values.double(), mask)
        return late_scores(self.formula, mentions, (self.tokens.double(), self.mask, self.target.double()))

    def part(self, late: LateBounds):
        return late.part(self.target, self.mask.sum(1), late.describe(self.tokens, self.mask, self.target))

    def interval(self, tolerance=0.0):
        late = bounds(self.formula)
        assert late is not None
        return late.interval(late.prepare(self.senders), self.part(late), tolerance)


def assert_within(world: World):
    truth = world.truth()
    low, high = world.interval()
    assert (low.double() <= truth).all(), world.formula.title
    assert (truth <= high.double()).all(), world.formula.title
    return truth.numel()


FORMS = {
    **{name: of_preset(name) for name in PRESETS},
    **{f"PAPER, {name} pool": of_preset("PAPER", pool) for name, pool in POOLS.items()},
    "attention": formula(Attention(), SoftPool()),
    "attention, default's pool": formula(Attention(), POOLS["learned"], residual=True),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_presets_and_their_variants_never_leave_their_bounds(form, kind):
    for seed, (scale, precision) in enumerate(itertools.product((0.5, 6.0), ("float32", "float16", "int8"))):
        assert_within(World(FORMS[form], kind, seed, scale=scale, precision=precision))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("row_norm", ["none", "sum", "l2"])
def test_every_transport_and_pool_stays_within_its_bounds(row_norm, solver):
    pairs = 0  # over 100,000 of all solvers and norms together
    for epsilon, pool, residual in itertools.product((0.0125, 0.05, 0.1, 0.6, 2.0), POOLS.values(), (False, True)):
        assignment = transport(epsilon, solver, row_norm)
        for index, kind in enumerate(KINDS):
            scale, precision = (0.5, 6.0)[index % 2], ("float32", "float16", "int8")[index]
            world = World(formula(assignment, pool, residual), kind, int(epsilon * 1e4), 16, scale, precision)
            pairs += assert_within(world)
    assert pairs >= 5 * 4 * 2 * 3 * 64


@given(
    epsilon=st.floats(0.01, 3),
    solver=st.sampled_from(list(SOLVERS)),
    row_norm=st.sampled_from(["none", "sum", "l2"]),
    relax=st.sampled_from([(1.0, 1.0), (1.0, 0.7), (0.8, 1.0), (0.5, 0.0)]),
    pool=st.sampled_from(list(POOLS)),
    residual=st.booleans(),
    norm=st.sampled_from(["", "", "tokens", "pool", "tokens pool"]),
    kind=st.sampled_from([*KINDS, "identical"]),
    seed=st.integers(0, 10**6),
    scale=st.floats(1e-3, 30),
)
@settings(max_examples=150, deadline=None)
def test_no_form_leaves_its_bounds(epsilon, solver, row_norm, relax, pool, residual, norm, kind, seed, scale):
    made = formula(transport(epsilon, solver, row_norm, relax), POOLS[pool], residual, norm, seed)
    if refusal(made) is None:
        assert_within(World(made, kind, seed, 16, scale))


@given(
    epsilon=st.floats(0.01, 3),
    rows=st.booleans(),
    row_norm=st.sampled_from(["none", "marginal", "sum"]),
    threshold=st.none() | st.floats(-1, 1),
    pool=st.sampled_from(list(POOLS)),
    residual=st.booleans(),
    kind=st.sampled_from([*KINDS, "identical"]),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=100, deadline=None)
def test_no_null_key_leaves_its_bounds(epsilon, rows, row_norm, threshold, pool, residual, kind, seed):
    if rows and threshold is not None and row_norm == "sum":
        row_norm = "marginal"  # the other is refused
    made = formula(
        transport(epsilon, "1", row_norm, (1.0, 0.0) if rows else (0.0, 1.0), threshold), POOLS[pool], residual
    )
    assert (refusal(made) is None) == (rows or row_norm == "sum")
    if refusal(made) is None:
        assert_within(World(made, kind, seed, 16))


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
@pytest.mark.parametrize("form", FORMS)
def test_scores_of_a_kernel_stay_within_bounds_widened_by_its_tolerance(form, precision):
    world = World(FORMS[form], "clustered", 5, precision=precision)
    kernel, scoring = select(FORMS[form], "lanes")
    low, high = world.interval(kernel.tolerance)
    scores = scoring.tile(world.senders, world.blocks)
    assert ((low <= scores) & (scores <= high)).all()


@pytest.mark.parametrize("form", ["PAPER", "PAPER, max pool", "PAPER, learned pool", "default", "attention"])
def test_identical_keys_close_the_transported_part(form):
    made = FORMS[form]
    world = World(made, "identical", 3)
    world.senders.keys.copy_(world.senders.keys[:, :1].expand_as(world.senders.keys))
    low, high = world.interval()
    own = 0 if not made.residual else bounds(made).describe(world.tokens, world.mask, world.target)[:, 1]  # type: ignore[union-attr]
    assert (high - low <= 1e-4 + 2 * own).all()
    if not made.residual:
        torch.testing.assert_close(low.double(), world.truth(), atol=1e-4, rtol=0)


def test_identical_entity_tokens_close_the_bounds_too():
    for assignment in (transport(0.05, "3", "sum"), transport(0.6, "tolerance", "none")):
        for pool in (SoftPool(), MeanPool(), MaxPool(), POOLS["learned"]):
            world = World(formula(assignment, pool), "random", 3)
            late = bounds(world.formula)
            assert late is not None
            tokens = world.tokens[:, :1] * world.mask.unsqueeze(-1)
            part = late.part(world.target, world.mask.sum(1), late.describe(tokens, world.mask, world.target))
            low, high = late.interval(late.prepare(world.senders), part)
            assert (high - low <= 1e-4).all()


@pytest.mark.parametrize("form", FORMS)
def test_either_side_without_tokens_scores_exactly_zero(form):
    world = World(FORMS[form])
    late = bounds(FORMS[form])
    assert late is not None
    lengths = world.mask.sum(1)
    lengths[5] = 0
    part = late.part(world.target, lengths, world.part(late).described)
    for bound in late.interval(late.prepare(world.senders), part):
        assert (bound[1] == 0).all()
        assert (bound[:, 5] == 0).all()


def test_no_entities_and_no_token_columns_are_defined():
    late = bounds(FORMS["PAPER"])
    assert late is not None
    none = late.part(torch.zeros(0, D), torch.zeros(0, dtype=torch.long), torch.zeros(0, 1))
    world = World(FORMS["PAPER"])
    assert late.interval(late.prepare(world.senders), none)[0].shape == (4, 0)
    empty = Senders(torch.zeros(2, 0, D), torch.zeros(2, 0, D), torch.zeros(2, dtype=torch.long))
    assert not late.interval(late.prepare(empty), world.part(late))[1].any()
    nothing = late.describe(torch.zeros(3, 0, D), torch.zeros(3, 0, dtype=torch.bool), torch.zeros(3, D))
    assert nothing.tolist() == [[0.0]] * 3


def test_wider_and_shorter_entities_have_wider_channels():
    late = bounds(FORMS["PAPER"])
    assert late is not None
    prepared = late.prepare(World(FORMS["PAPER"]).senders)
    found = [late.channels(prepared, 4, radius) for radius in (0.0, 0.25, 0.5, 1.0)]
    for narrow, wide in itertools.pairwise(found):
        assert (narrow.lower >= wide.lower - 1e-6).all()
        assert (narrow.upper <= wide.upper + 1e-6).all()
    short, long = (late.channels(prepared, length, 0.5) for length in (2, 20))
    assert (long.half.sum() < short.half.sum()).all()


def test_papers_bounds_are_a_small_share_of_the_scores_spread():
    world = World(FORMS["PAPER"], "clustered", 1, 600)
    assert_within(world)
    low, high = world.interval()
    assert ((high - low).mean(1)[[0, 2, 3]] < 0.2 * world.truth().std(1)[[0, 2, 3]]).all()


def test_what_is_not_proven_is_refused_by_name():
    relaxed = formula(transport(row_norm="none", relax=(0.5, 1.0)), SoftPool())
    assert bounds(relaxed) is None
    assert "relaxed rows" in str(refusal(relaxed))
    assert refusal(formula(transport(row_norm="sum", relax=(0.5, 1.0)), SoftPool())) is None
    over = transport(row_norm="marginal", relax=(0.5, 1.0))
    assert "relaxed rows" in str(refusal(formula(over, SoftPool())))
    learned = Transport(marginals="learned")
    weighing = Formula(learned, SoftPool(), marginals=Marginals(torch.ones(D), torch.ones(D)))
    assert bounds(weighing) is None
    assert "learned marginals" in str(refusal(weighing))
    forced = Transport(solver=Sinkhorn(epsilon=1e-3, domain="exp"))
    assert "underflow" in str(refusal(formula(forced, SoftPool())))


def test_relaxed_rows_that_hold_next_to_nothing_stay_within_bounds():
    for row_norm, pool in itertools.product(("sum", "l2"), POOLS.values()):
        assert_within(World(formula(transport(0.003, "1", row_norm, (0.0, 0.0)), pool), seed=0))


@pytest.mark.parametrize(
    ("form", "says"),
    [("PAPER", "channels: mean within"), ("default", "tokens"), ("RELEASED", "sphere"), ("attention", "hull")],
)
def test_the_title_says_which_argument_holds(form, says):
    late = bounds(FORMS[form])
    assert late is not None
    assert says in late.title
