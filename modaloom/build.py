"""ASSEMBLE: from a shop's past to a ready recommender; the only room that knows every other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from modaloom import __version__
from modaloom.config import Settings
from modaloom.data.shop import Shop
from modaloom.data.splits import Split, earlier_splits, held_out_split, take_snapshot
from modaloom.encoders.attributes import AttributeEncoder
from modaloom.encoders.catalogue import encode_items
from modaloom.errors import EvaluationError, TrainingError
from modaloom.evaluation.protocol import Factory
from modaloom.export import export_towers
from modaloom.files import write_json
from modaloom.models.attention import SCORE_FUNCTIONS
from modaloom.models.baselines import BASELINES
from modaloom.models.fusion import FUSION_KINDS
from modaloom.models.linear import MAX_DENSE_ROWS
from modaloom.models.sequence import SEQUENCE_KINDS
from modaloom.numerics import Whitening
from modaloom.recommend.blend import Exam, choose_weights, prepare_exam, validation_figures
from modaloom.recommend.bundle import FORMAT, ranker_arrays, refuse_foreign, save_arrays, write_bundle
from modaloom.recommend.demand import Cut, Demand, Features, cut_of
from modaloom.recommend.parts import ContentKernel, Linear, Part, Repurchase, Variants
from modaloom.recommend.ranker import FUSION, Ranker
from modaloom.training.checkpoint import clear_checkpoints, load_checkpoint, save_checkpoint
from modaloom.training.curves import write_curves
from modaloom.training.fitting import FittedFusion, FusionConfig, fit_fusion, whiten
from modaloom.training.loop import AfterEpoch, LoopConfig, Resume
from modaloom.types import MODALITIES, FloatArray, Histories, Snapshot, Tokens

if TYPE_CHECKING:
    from modaloom.models.recommender import FusionRecommender
    from modaloom.training.loop import Optimizer
    from modaloom.training.loop import Progress as TrainingProgress

SIZES = {"small": 32, "base": 64, "large": 128}
"""The one dial for size: width of every token."""
VALIDATION_WINDOWS = 4
MAX_WINDOW_DAYS = 28
VALIDATION_USERS = 1_000
"""Shoppers per validation window that the blend is chosen on."""
ANSWERING = ("image", "text")
"""Parts that are kept even if the blend does without: they answer photos and words."""
PRIOR_WEIGHTS = {
    "demand": 1.0, FUSION: 0.4, "text": 0.3, "attributes": 0.3, "image": 0.2,
    "linear": 0.1, "variants": 0.1, "repurchase": 0.05,
}  # fmt: skip
"""Where the search for the blend begins."""
Tell = Callable[[str], None]
Progress = Callable[[str, int, int], None]


def _silent(message: str) -> None:
    """Says nothing."""


def no_progress(what: str, done: int, total: int) -> None:
    """Says nothing."""


@dataclass(frozen=True)
class LearnOptions:
    """What ``modaloom train`` lets you choose."""

    size: str = "base"
    fusion: str = "attention"
    attention: str = "scaled_dot"
    sequence: str = "kernel"
    modalities: tuple[str, ...] = ("image", "text", "attributes", "behaviour")
    epochs: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        for what, chosen, known in (
            ("size", (self.size,), tuple(SIZES)),
            ("fusion", (self.fusion,), FUSION_KINDS),
            ("attention", (self.attention,), SCORE_FUNCTIONS),
            ("sequence", (self.sequence,), SEQUENCE_KINDS),
            ("modalities", self.modalities, MODALITIES),
        ):
            unknown = [name for name in chosen if name not in known]
            if unknown or not chosen:
                raise TrainingError(f"unknown {what} {', '.join(unknown)!r}", hint=f"Choose from {', '.join(known)}")

    def fusion_config(self) -> FusionConfig:
        """The same for the learner."""
        return FusionConfig(
            modalities=self.modalities,
            dim=SIZES[self.size],
            fusion=self.fusion,
            attention=self.attention,
            sequence=self.sequence,
            loop=LoopConfig(epochs=self.epochs, seed=self.seed),
        )


@dataclass
class Memory:
    """What fitting several cuts of one log may share: none of it depends on anything later than its own cut."""

    whitenings: dict[tuple[str, str, int, float], tuple[Whitening, Tokens]] = field(default_factory=dict)
    demand: dict[Cut, Features] = field(default_factory=dict)

    part_scores: dict[Cut, dict[str, FloatArray]] = field(default_factory=dict)

    def scores_at(self, split: Split, fit: Callable[[], dict[str, FloatArray]]) -> dict[str, FloatArray]:
        """Raw scores of the closed-form parts on a validation question, which consecutive cuts share."""
        key = cut_of(split.snapshot)
        if key not in self.part_scores:
            while len(self.part_scores) >= VALIDATION_WINDOWS:
                self.part_scores.pop(next(iter(self.part_scores)))
            self.part_scores[key] = fit()
        return self.part_scores[key]

    def whitened(self, tokens: Mapping[str, Tokens], dim: int) -> dict[str, Tokens]:
        """Content tokens after whitening; the map depends on the catalogue's content alone."""
        made = {}
        for name, raw in tokens.items():
            key = (name, raw.encoder_id, dim, float(raw.vectors.sum()) + float(raw.mask.sum()))
            if key not in self.whitenings:
                whitening = Whitening.fit(raw.vectors, raw.mask, dim)
                self.whitenings[key] = (whitening, whiten(raw, whitening))
            made[name] = self.whitenings[key][1]
        return made


class Modaloom:
    """The whole learner as one :class:`~modaloom.types.Scorer`: fusion, parts and blend, tuned on the past alone."""

    name = "modaloom"
    seeded = True

    def __init__(
        self,
        options: LearnOptions | None = None,
        *,
        memory: Memory | None = None,
        tell: Tell = _silent,
        after_epoch: AfterEpoch | None = None,
        resume: Resume | None = None,
    ):
        self.options = options or LearnOptions()
        self.memory = memory or Memory()
        self._tell = tell
        self._after_epoch = after_epoch
        self._resume = resume
        self.fusion: FittedFusion | None = None
        self.ranker: Ranker | None = None
        self.validation: dict[str, float] = {}

    def fit(self, snapshot: Snapshot) -> Self:
        """Learns the fusion before the validation windows, chooses the blend on them, then reads the newest past.

        Raises:
            TrainingError: there is nothing to learn from.
        """
        config = self.options.fusion_config()
        content = {name: made for name, made in snapshot.tokens.items() if name in config.modalities}
        snapshot = replace(snapshot, tokens=self.memory.whitened(content, config.dim))
        validation = validation_splits(snapshot, seed=self.options.seed)
        self._tell(f"learning {config.fusion} fusion over {', '.join(config.modalities)}")
        self.fusion = fit_fusion(
            validation[0].snapshot if validation else snapshot,
            config,
            validation=validation,
            after_epoch=self._after_epoch,
            resume=self._resume,
        )
        self._tell("choosing the blend on validation")
        weights = self._choose(validation) if validation else dict(PRIOR_WEIGHTS)
        wanted = {*weights, *ANSWERING}
        parts = tuple(part.fit(snapshot) for part in self._parts(snapshot) if part.name in wanted)
        table = self.fusion.table(snapshot) if FUSION in weights else None
        known = {part.name for part in parts} | ({FUSION} if table else set())
        self.ranker = Ranker(
            {name: weights[name] for name in weights if name in known}, parts, table, self.fusion.tower
        )
        return self

    def score(self, histories: Histories) -> FloatArray:
        """Scores (b, n)."""
        assert self.ranker is not None, "fit() comes first"
        return self.ranker.score(histories)

    def metrics(self) -> dict[str, object]:
        """What was found while learning: the blend, validation, losses, and where attention went."""
        assert self.ranker is not None
        assert self.fusion is not None
        progress, table = self.fusion.progress, self.ranker.table
        weights = table.weights.mean(axis=0).tolist() if table is not None else []
        names = table.modalities if table is not None else ()
        return {
            "blend": dict(self.ranker.weights),
            "validation": self.validation,
            "epochs": progress.epoch,
            "best_epoch": progress.best_epoch,
            "losses": progress.losses,
            "fusion_validation": progress.validation,
            "attention": dict(zip(names, weights, strict=True)),
        }

    def whitening_arrays(self) -> dict[str, FloatArray]:
        """Maps from encoders' vectors to tokens, as ``whitening.npz`` holds them."""
        maps = {key[0]: whitening for key, (whitening, _) in self.memory.whitenings.items()}
        if self.fusion is not None and self.fusion.behaviour_whitening is not None:
            maps["behaviour"] = self.fusion.behaviour_whitening
        return {f"{name}.{part}": getattr(made, part) for name, made in maps.items() for part in ("mean", "axes")}

    def _parts(self, snapshot: Snapshot) -> list[Part]:
        parts: list[Part] = [Demand(seen=self.memory.demand)]
        if not snapshot.exclude_seen:
            parts.append(Repurchase())
        if snapshot.items["group_id"].null_count() < snapshot.n_items:
            parts.append(Variants())
        if "behaviour" in self.options.modalities and min(snapshot.n_items, snapshot.n_users) <= MAX_DENSE_ROWS:
            parts.append(Linear())
        return parts + [ContentKernel(modality) for modality in snapshot.tokens]

    def _part_scores(self, split: Split, histories: Histories) -> dict[str, FloatArray]:
        return {part.name: part.fit(split.snapshot).score(histories) for part in self._parts(split.snapshot)}

    def _exam(self, split: Split, fusion: FittedFusion) -> Exam:
        histories = split.snapshot.histories(split.user_nums)
        fused = Ranker({FUSION: 1.0}, (), fusion.table(split.snapshot), fusion.tower)
        scores = {
            **self.memory.scores_at(split, lambda: self._part_scores(split, histories)),
            **fused.raw(histories),
        }
        return prepare_exam(scores, split.snapshot.may_be_shown(histories), split.truth)

    def _choose(self, validation: Sequence[Split]) -> dict[str, float]:
        assert self.fusion is not None
        exams = [self._exam(split.take(VALIDATION_USERS), self.fusion) for split in validation]
        weights = choose_weights(exams, PRIOR_WEIGHTS)
        self.validation = validation_figures(exams, weights, 20)
        return weights


def model_factories(names: Sequence[str], options: LearnOptions) -> dict[str, Factory]:
    """Factories by name for ``evaluate``: ours, the baselines, or ``all`` of them.

    Raises:
        EvaluationError: a name is unknown.
    """
    memory = Memory()
    known: dict[str, Factory] = {
        Modaloom.name: lambda seed: Modaloom(replace(options, seed=seed), memory=memory),
        **BASELINES,
    }
    wanted = list(known) if tuple(names) == ("all",) else list(names)
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise EvaluationError(f"unknown model {', '.join(unknown)!r}", hint=f"Choose from {', '.join(known)}, or all")
    return {name: known[name] for name in wanted}


def validation_splits(snapshot: Snapshot, *, seed: int = 0) -> list[Split]:
    """Questions from the snapshot's own past: windows of time, or hidden targets where the log has no times."""
    times = snapshot.interactions["timestamp"]
    if not times.len():
        return []
    first, last = int(times.to_numpy().min()), int(times.to_numpy().max())
    if last == 0:
        split = held_out_split(snapshot, seed=seed)
        return [split] if len(split.user_nums) else []
    days = max((last - first) // 86_400, 1)
    window_days = int(min(MAX_WINDOW_DAYS, max(days // 10, 1)))
    return earlier_splits(snapshot, windows=VALIDATION_WINDOWS, window_days=window_days)


def train_bundle(
    shop: Shop,
    out: Path,
    options: LearnOptions,
    *,
    settings: Settings,
    resume: bool = False,
    tell: Progress = no_progress,
) -> dict[str, object]:
    """Learns from the whole shop and writes a bundle; gives what ``metrics.json`` holds.

    Every epoch is kept beside the bundle (``BUNDLE.training``) until the bundle is complete, so that a killed
    run goes on with ``resume`` and ends as if it had never been killed.

    Raises:
        TrainingError: there is nothing to learn from, or the checkpoint belongs to other data or options.
        BundleError: the bundle cannot be written.
    """
    refuse_foreign(out)
    options.fusion_config()
    tokens = encode_items(shop, settings=settings, modalities=options.modalities, progress=tell)
    snapshot = take_snapshot(shop, tokens)
    checkpoints = out.with_name(out.name + ".training")
    encoders = sorted((name, made.encoder_id) for name, made in tokens.items())
    key = hashlib.blake2b(f"{shop.fingerprint()} {options} {encoders}".encode(), digest_size=12).hexdigest()
    if not resume:
        clear_checkpoints(checkpoints)

    def keep(model: FusionRecommender, optimizer: Optimizer, progress: TrainingProgress) -> None:
        save_checkpoint(checkpoints, model, optimizer, progress, key=key)
        tell(f"epoch {progress.epoch}: loss {progress.losses[-1]:.3f}", progress.epoch, options.epochs)

    learner = Modaloom(
        options,
        tell=lambda message: tell(message, 0, 0),
        after_epoch=keep,
        resume=load_checkpoint(checkpoints, key=key) if resume else None,
    ).fit(snapshot)
    metrics = learner.metrics()
    tell("writing the bundle", 0, 0)
    write_bundle(out, lambda folder: _write(folder, shop, snapshot, learner, metrics))
    clear_checkpoints(checkpoints)
    return metrics


def _write(folder: Path, shop: Shop, snapshot: Snapshot, learner: Modaloom, metrics: dict[str, object]) -> None:
    """Fills a bundle's folder."""
    assert learner.ranker is not None
    assert learner.fusion is not None
    ranker, fusion = learner.ranker, learner.fusion
    save_arrays(folder / "tables.npz", ranker_arrays(ranker, snapshot.catalogue))
    for part in ranker.parts:
        save_arrays(folder / f"part-{part.name}.npz", part.state())
    save_arrays(folder / "whitening.npz", learner.whitening_arrays())
    attributes = AttributeEncoder().fit(shop.items).state()
    save_arrays(folder / "attributes.npz", {"axes": attributes.pop("axes")})
    write_json(folder / "attributes.json", attributes)
    if ranker.table is not None:
        export_towers(fusion.model, folder)
    write_curves(fusion.progress, folder / "curves.png")
    snapshot.items.write_parquet(folder / "items.parquet")
    snapshot.users.write_parquet(folder / "users.parquet")
    snapshot.interactions.write_parquet(folder / "interactions.parquet")
    config = {
        "format": FORMAT,
        "modaloom": __version__,
        "shop": {"name": shop.name, "language": shop.language, "root": str(shop.root.resolve())},
        "options": asdict(learner.options),
        "modalities": list(fusion.model.config.modalities),
        "dim": fusion.model.config.dim,
        "encoders": {name: made.encoder_id for name, made in snapshot.tokens.items()},
        "blend": dict(ranker.weights),
        "parts": [part.name for part in ranker.parts],
        "now": snapshot.now,
        "target_events": [int(event) for event in snapshot.target_events],
        "exclude_seen": snapshot.exclude_seen,
    }
    write_json(folder / "config.json", config)
    write_json(folder / "metrics.json", metrics)
    (folder / "README.md").write_text(model_card(config, metrics, snapshot), encoding="utf-8")


def model_card(config: dict[str, Any], metrics: dict[str, Any], snapshot: Snapshot) -> str:
    """What a stranger should know about a bundle."""
    blend = "\n".join(f"| {name} | {weight:.2f} |" for name, weight in metrics["blend"].items())
    attention = ", ".join(f"{name} {weight:.2f}" for name, weight in metrics["attention"].items())
    figures = ", ".join(f"{name} {value:.4g}" for name, value in metrics["validation"].items())
    day = datetime.fromtimestamp(snapshot.now, tz=UTC).date() if snapshot.now else "a log without times"
    return f"""# {config["shop"]["name"]}

Made by Modaloom {config["modaloom"]} from {snapshot.n_items:,} items, {snapshot.n_users:,} shoppers and
{snapshot.interactions.height:,} interactions, as of {day}.

- Recommends clothes to known shoppers, from lists of garments, from photos and from words.
- On validation, which the blend was chosen on: {figures or "no validation was possible"}.
  Figures on data that nothing was chosen on come from `modaloom evaluate`.
- Mean attention over the modalities of an item: {attention or "no fusion in the blend"}.
- Encoders: {", ".join(f"{name}: {made}" for name, made in config["encoders"].items())}.
- It holds the pasts of shoppers (`interactions.parquet`): treat the folder as personal data.

| part | weight |
| --- | --- |
{blend}
"""
