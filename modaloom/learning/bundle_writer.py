"""From a shop to the folder that answers: learns, keeps every epoch on the way, writes the bundle and its card."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modaloom import __version__
from modaloom.config import Settings
from modaloom.data.doubles import group_doubles
from modaloom.data.shop import Shop
from modaloom.data.splits import take_snapshot
from modaloom.encoders.attributes import AttributeEncoder
from modaloom.encoders.encode import encode_items
from modaloom.encoders.image import ONNX_FILE, EfficientNetLite0, exported_network
from modaloom.export import export_towers
from modaloom.files import write_json
from modaloom.learning.learner import Modaloom
from modaloom.learning.options import LearnOptions
from modaloom.learning.tuning import JOURNAL, Tuned, TuningPlan, require_optuna, tune
from modaloom.privacy import ErasureList
from modaloom.shop.bundle import FORMAT, ranker_arrays
from modaloom.shop.folder import reserved, save_arrays, write_bundle
from modaloom.shop.shoppers import Pasts, erasure_lists, pasts_written
from modaloom.training.checkpoint import clear_checkpoints, load_checkpoint, save_checkpoint
from modaloom.training.curves import write_curves
from modaloom.training.loop import Progress as TrainingProgress
from modaloom.types import Snapshot, Tell, Tokens, silent

if TYPE_CHECKING:
    from modaloom.models.recommender import FusionRecommender
    from modaloom.training.loop import Optimizer


def train_bundle(
    shop: Shop,
    out: Path,
    options: LearnOptions,
    *,
    settings: Settings,
    resume: bool = False,
    tuning: TuningPlan | None = None,
    tell: Tell = silent,
    still: Callable[[], Collection[str]] | None = None,
) -> dict[str, object]:
    """Learns from the whole shop and writes a bundle; gives what ``metrics.json`` holds.

    Every epoch, and every trial of ``tuning``, is kept beside the bundle (``BUNDLE.training``) until the bundle is
    complete, so that a killed run goes on with ``resume``, and without tuning ends as if it had never been killed.

    Who was erased from a bundle beside ``out`` is left out. Where a store knows better, ``still`` tells in the end
    whose pasts may be kept.

    Raises:
        MissingExtraError: tuning is asked for and ``optuna`` is not installed.
        TrainingError: there is nothing to learn from, or the checkpoint belongs to other data or options.
        BundleError: the bundle cannot be written, or another process is learning for it.
    """
    with reserved(out):
        if tuning:
            require_optuna()
        if still is None:
            shop = _without_erased(shop, erasure_lists(out.parent))
        tokens = encode_items(shop, settings=settings, modalities=options.modalities, progress=tell)
        snapshot = group_doubles(take_snapshot(shop, tokens))
        checkpoints = out.with_name(out.name + ".training")
        if not resume:
            _clear(checkpoints)
        tuned = Tuned(options, {})
        if tuning:
            journal, key = checkpoints / JOURNAL, _key(shop, options, tokens)
            tuned = tune(snapshot, options, tuning, journal=journal, key=key, tell=lambda message: tell(message, 0, 0))
        learner = _learn(snapshot, tuned.options, checkpoints, _key(shop, tuned.options, tokens), resume, tell)
        metrics = learner.metrics() | ({"tuning": tuned.report} if tuning else {})
        tell("writing the bundle", 0, 0)
        pasts = Pasts(snapshot.users, snapshot.interactions)
        pasts = pasts.without(erasure_lists(out.parent)) if still is None else pasts.of(still())  # as it is by now
        with pasts_written(out, pasts) as key:
            write_bundle(out, lambda folder: _write(folder, shop, snapshot, learner, metrics, settings, key))
        _clear(checkpoints)
        return metrics


def _without_erased(shop: Shop, erased: Sequence[ErasureList]) -> Shop:
    """The shop without those who were erased: its files may still have them."""
    left = Pasts(shop.users, shop.interactions).without(erased)
    return replace(shop, users=left.users, interactions=left.interactions)


def _key(shop: Shop, options: LearnOptions, tokens: Mapping[str, Tokens]) -> str:
    """Hash of everything that learning depends on."""
    encoders = sorted((name, made.encoder_id) for name, made in tokens.items())
    return hashlib.blake2b(
        f"{__version__} {FORMAT} {shop.fingerprint()} {options} {encoders}".encode(), digest_size=12
    ).hexdigest()


def _clear(checkpoints: Path) -> None:
    """Removes what was kept for going on, and the folder if nothing else is in it."""
    for file in checkpoints.glob(f"{JOURNAL}*"):
        file.unlink(missing_ok=True)
    clear_checkpoints(checkpoints)


def _learn(
    snapshot: Snapshot, options: LearnOptions, checkpoints: Path, key: str, resume: bool, tell: Tell
) -> Modaloom:
    """The learner, with every epoch kept on the way."""

    def keep(model: FusionRecommender, optimizer: Optimizer, progress: TrainingProgress) -> None:
        save_checkpoint(checkpoints, model, optimizer, progress, key=key)
        tell(f"epoch {progress.epoch}: loss {progress.losses[-1]:.3f}", progress.epoch, options.epochs)

    return Modaloom(
        options,
        tell=lambda message: tell(message, 0, 0),
        after_epoch=keep,
        resume=load_checkpoint(checkpoints, key=key) if resume else None,
    ).fit(snapshot)


def _write(
    folder: Path,
    shop: Shop,
    snapshot: Snapshot,
    learner: Modaloom,
    metrics: dict[str, object],
    settings: Settings,
    shoppers: str,
) -> None:
    """Fills a bundle's folder."""
    assert learner.ranker is not None
    ranker, fusion = learner.ranker, learner.fusion
    save_arrays(folder / "tables.npz", ranker_arrays(ranker, snapshot))
    for part in ranker.closed_form:
        save_arrays(folder / f"part-{part.name}.npz", part.state())
    save_arrays(folder / "whitening.npz", learner.whitening_arrays())
    attributes = AttributeEncoder().fit(shop.items).state()
    save_arrays(folder / "attributes.npz", {"axes": attributes.pop("axes")})
    write_json(folder / "attributes.json", attributes)
    if fusion is not None and ranker.table is not None:
        export_towers(fusion.model, folder)
    _write_encoder(folder, snapshot, settings)
    write_curves(fusion.progress if fusion else TrainingProgress(), folder / "curves.png")
    snapshot.items.write_parquet(folder / "items.parquet")
    config = {
        "format": FORMAT,
        "modaloom": __version__,
        "shop": {
            "name": shop.name,
            "language": shop.language,
            "root": str(shop.root.resolve()),
            "currency": shop.spec.currency,
            "labels": shop.spec.labels,
        },
        "options": learner.options.to_dict(),
        "modalities": list(fusion.model.config.modalities if fusion else snapshot.tokens),
        "dim": learner.options.fusion_config().dim,
        "encoders": {name: made.encoder_id for name, made in snapshot.tokens.items()},
        "blend": dict(ranker.weights),
        "cold_start_weights": dict(ranker.cold_start_weights),
        "parts": [part.name for part in ranker.closed_form],
        "now": snapshot.now,
        "target_events": [int(event) for event in snapshot.target_events],
        "exclude_seen": snapshot.exclude_seen,
        "shoppers": shoppers,
    }
    write_json(folder / "config.json", config)
    write_json(folder / "metrics.json", metrics)
    (folder / "README.md").write_text(model_card(config, metrics, snapshot), encoding="utf-8")


def _write_encoder(folder: Path, snapshot: Snapshot, settings: Settings) -> None:
    """The picture encoder, where it is the built-in one: a machine that serves has no torch to export it with."""
    image = snapshot.tokens.get("image")
    if image is not None and image.encoder_id == EfficientNetLite0.encoder_id:
        shutil.copyfile(exported_network(settings), folder / ONNX_FILE)


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
  Figures on data that nothing was chosen on come from `modaloom evaluate`.{_tuning_line(metrics.get("tuning"))}
- Mean attention over the modalities of an item: {attention or "no fusion in the blend"}.
- Encoders: {", ".join(f"{name}: {made}" for name, made in config["encoders"].items())}.
- It holds nobody's past. Those lie in the folder `.shoppers` beside it: treat that one as personal data.

| part | weight |
| --- | --- |
{blend}
"""


def _tuning_line(report: Mapping[str, Any] | None) -> str:
    """What the card says of tuning, on a line of its own."""
    if not report:
        return ""
    spent = f"\n- Tuned on validation for {report['minutes']:g} minutes, {len(report['trials'])} trials"
    if report["kept"]:
        return f"{spent}: nothing beat the options it began with by more than chance, so they were kept."
    changed = ", ".join(f"{name} {value}" for name, value in report["options"].items())
    return (
        f"{spent}: recall plus NDCG at 20 went from {report['defaults']:.4f} to {report['reached']:.4f} "
        f"(+{report['gain']:.4f}, standard error {report['standard_error']:.4f}) with {changed}.\n"
        "  The gain is of the questions it was chosen on, so the true one is smaller."
    )
