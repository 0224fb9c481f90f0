"""The loop learns, repeats to the bit, stops in time, and says when it cannot go on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from modaloom.errors import TrainingError
from modaloom.models.behaviour import behaviour_tokens, cross_fit
from modaloom.models.recommender import FusionRecommender, RecommenderConfig, scores, stack_tokens
from modaloom.training import loop
from modaloom.training.batches import Examples
from modaloom.training.loop import AfterEpoch, Content, LoopConfig, Progress, Resume, batch_loss, learn
from modaloom.types import Event, Snapshot

SHORT = LoopConfig(epochs=4, batch_size=64, examples_per_epoch=300, negatives=64, learning_rate=3e-3)
MakeSnapshot = Callable[..., Snapshot]


def new_model(seed: int = 0) -> FusionRecommender:
    torch.manual_seed(seed)
    return FusionRecommender(RecommenderConfig(("image", "text"), 16))


def run(
    snapshot: Snapshot,
    config: LoopConfig = SHORT,
    *,
    resume: Resume | None = None,
    validate: Callable[[FusionRecommender], float] | None = None,
    after_epoch: AfterEpoch | None = None,
) -> tuple[FusionRecommender, Progress]:
    model = new_model()
    progress = learn(
        model, snapshot, snapshot.tokens, config, resume=resume, validate=validate, after_epoch=after_epoch
    )
    return model, progress


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_the_loss_falls(text_world: Snapshot) -> None:
    model, progress = run(text_world, replace(SHORT, epochs=8))
    assert progress.epoch == len(progress.losses) == 8
    assert progress.losses[-1] < 0.9 * progress.losses[0]
    assert not model.training


def test_the_same_seed_gives_the_same_numbers(text_world: Snapshot) -> None:
    (first, one), (second, two), (other, three) = (
        run(text_world, replace(SHORT, epochs=2, seed=seed)) for seed in (0, 0, 1)
    )
    assert one.losses == two.losses
    assert same(first.state_dict(), second.state_dict())
    assert one.losses != three.losses
    assert not same(first.state_dict(), other.state_dict())


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("sequence", ["kernel", "gru"])
def test_threads_do_not_race(text_world: Snapshot, sequence: str) -> None:
    """Gradients of many shoppers meet in one item; the order of their sum must not depend on who is first."""
    states = []
    for _ in range(2):
        torch.manual_seed(0)
        model = FusionRecommender(RecommenderConfig(("image", "text"), 16, sequence=sequence))
        learn(model, text_world, text_world.tokens, LoopConfig(epochs=1, negatives=512, examples_per_epoch=512))
        states.append(model.state_dict())
    assert same(*states)


def falling(model: FusionRecommender) -> float:
    """A validation that changes with the model."""
    return -(float(model.log_scale.detach()) ** 2)


@pytest.mark.parametrize("validated", [False, True])
def test_a_resumed_run_is_the_same_run(text_world: Snapshot, validated: bool) -> None:
    stops: dict[int, Resume] = {}

    def keep(model: FusionRecommender, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
        stops[progress.epoch] = deepcopy((model.state_dict(), optimizer.state_dict(), progress))

    config = replace(SHORT, patience=9)
    validate = falling if validated else None
    whole, progress = run(text_world, config, validate=validate, after_epoch=keep)
    for epoch in (1, 2, 4):
        torch.manual_seed(99)  # what came before must not matter
        resumed, again = run(text_world, config, resume=stops[epoch], validate=validate)
        assert again.losses == progress.losses
        assert again.validation == progress.validation
        assert (again.epoch, again.best_epoch) == (progress.epoch, progress.best_epoch)
        assert same(again.best, progress.best)
        assert same(resumed.state_dict(), whole.state_dict())


def test_it_stops_when_validation_no_longer_improves(text_world: Snapshot) -> None:
    said = iter([0.1, 0.3, 0.2, 0.1, 0.9])
    model, progress = run(text_world, replace(SHORT, epochs=9, patience=1), validate=lambda _: next(said))
    assert progress.validation == [0.1, 0.3, 0.2, 0.1]
    assert (progress.epoch, progress.best_epoch, progress.stale) == (3, 1, 2)
    once, _ = run(text_world, replace(SHORT, epochs=1))
    assert same(model.state_dict(), once.state_dict()), "the best epoch is not what is left"


def test_standing_still_is_no_reason_to_stop(text_world: Snapshot) -> None:
    """Only epochs that fall clearly short of the best one count, whatever lies between them."""
    said = iter([0.1, 0.3, 0.29, 0.28, 0.1, 0.28, 0.4, 0.1, 0.39, 0.1, 0.9])
    _, progress = run(text_world, replace(SHORT, epochs=20, patience=1), validate=lambda _: next(said))
    assert (progress.epoch, progress.best_epoch, progress.stale) == (9, 6, 2)


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_what_is_kept_is_the_running_mean_of_the_weights(
    text_world: Snapshot, averaging: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[dict[str, Tensor]] = []

    class Watched(torch.optim.AdamW):
        def step(self, *args: Any, **kwargs: Any) -> Any:
            made = super().step(*args, **kwargs)
            steps.append({str(n): p.detach().clone() for n, p in enumerate(self.param_groups[0]["params"])})
            return made

    monkeypatch.setattr(loop, "make_optimizer", lambda model, config: Watched(model.parameters(), lr=1e-2))
    model, _ = run(text_world, replace(SHORT, epochs=2, averaging=averaging))
    mean = steps[0]
    for step in steps[1:]:
        mean = {name: averaging * mean[name] + (1 - averaging) * value for name, value in step.items()}
    for number, value in enumerate(model.parameters()):
        torch.testing.assert_close(value, mean[str(number)], rtol=1e-5, atol=1e-6)
    assert len(steps) > 4


def test_the_untrained_model_is_a_candidate(text_world: Snapshot) -> None:
    said = iter([0.5, 0.2, 0.1])
    model, progress = run(text_world, replace(SHORT, patience=1), validate=lambda _: next(said))
    assert (progress.best_epoch, progress.epoch) == (0, 2)
    assert same(model.state_dict(), new_model().state_dict())


def test_the_model_is_at_rest_while_it_is_validated(text_world: Snapshot) -> None:
    states: list[bool] = []

    def look(model: FusionRecommender) -> float:
        states.append(model.training)
        return float(len(states))

    run(text_world, replace(SHORT, epochs=2), validate=look)
    assert states == [False, False, False]


def test_a_loss_that_is_no_number_is_said(text_world: Snapshot) -> None:
    saved: list[int] = []
    with pytest.raises(TrainingError, match=r"nan after epoch 1.*learning_rate"):
        run(
            text_world,
            replace(SHORT, learning_rate=1e30),
            after_epoch=lambda _model, _optimizer, progress: saved.append(progress.epoch),
        )
    assert not saved, "a broken model was kept"


def test_nothing_to_learn_from_is_said(make_snapshot: MakeSnapshot, text_world: Snapshot) -> None:
    empty = replace(make_snapshot([(0, 0, int(Event.PURCHASE), 5)], n_items=96), tokens=text_world.tokens)
    with pytest.raises(TrainingError, match=r"no shopper has two events.*target_events"):
        run(empty)


def test_each_fold_learns_from_vectors_that_never_saw_it(text_world: Snapshot) -> None:
    full = behaviour_tokens(text_world, 16)
    folds = cross_fit(text_world, full, folds=3)
    torch.manual_seed(0)
    model = FusionRecommender(RecommenderConfig(("text", "behaviour"), 16))
    tokens = {"text": text_world.tokens["text"], "behaviour": full}
    progress = learn(model, text_world, tokens, replace(SHORT, epochs=1), crossfit=folds)
    assert math.isfinite(progress.losses[0])


def test_a_batch_sees_the_behaviour_of_its_fold(text_world: Snapshot) -> None:
    full = behaviour_tokens(text_world, 16)
    folds = cross_fit(text_world, full, finish=lambda made: replace(made, vectors=2 * made.vectors))
    model = FusionRecommender(RecommenderConfig(("text", "behaviour", "image"), 16))
    tokens = {"text": text_world.tokens["text"], "behaviour": full}
    content, items = Content(model, tokens, folds), torch.tensor([5, 0, 9])
    for fold, made in enumerate(folds.tokens):
        vectors, mask = content.rows(fold, items)
        whole, everywhere = stack_tokens(model.config.modalities, {**tokens, "behaviour": made})
        assert torch.equal(vectors, whole[items])
        assert torch.equal(mask, everywhere[items])
        assert not mask[:, 2].any(), "there are no pictures here"
    assert not torch.equal(content.rows(0, items)[0], content.rows(1, items)[0])
    alone, _ = Content(model, tokens, None).rows(3, items)
    assert torch.equal(alone[:, 1], torch.from_numpy(full.vectors)[items])


def test_the_full_correction_gives_the_loss_over_the_whole_catalogue(text_world: Snapshot) -> None:
    config = LoopConfig(popularity_correction=1.0, modality_dropout=0.0, alignment_weight=0.0, imputation_weight=0.0)
    model = new_model().eval()
    content = Content(model, text_world.tokens, None)
    examples = Examples(text_world, history_length=20, half_life_days=1e6, max_gap_days=0)
    rng = np.random.default_rng(0)
    batch = next(iter(examples.epoch(rng, batch_size=32, negatives=60_000, limit=1000)))
    with torch.no_grad():
        sampled = float(batch_loss(model, content, batch, config))
        items = model.items(*stack_tokens(("image", "text"), text_world.tokens))
        past = batch.past
        queries, weights, _ = model.queries(items.keys[past.items], past.mask, past.event, past.age_days)
        every = scores(queries, weights, items.keys)
        pool = torch.zeros(len(items.keys), dtype=torch.bool)
        pool[torch.from_numpy(batch.negatives)] = True
        targets = torch.from_numpy(batch.positives)
        pool = pool.repeat(len(targets), 1).scatter(1, targets[:, None], True)
        whole = torch.nn.functional.cross_entropy(every.masked_fill(~pool, -torch.inf), targets)
    assert sampled == pytest.approx(float(whole), rel=0.02)
