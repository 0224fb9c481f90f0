"""COMMAND: the same verbs on the command line. Reads arguments and prints; the work is done elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from modaloom import shop_commands, trend_commands
from modaloom.errors import EXTRA_OF, MissingExtraError, ModaloomError, QueryError

app = typer.Typer(
    name="modaloom",
    help="An AI shopping guide for clothing: pictures, words and behaviour, fused with attention.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

EXTRA_OF_VERB = {"serve": "serve", "renew-key": "serve", "train": "train", "retrain": "train", "demo": "all"}
"""What brings all that a verb needs, where that is more than the one module that was missed first."""

ShopArgument = Annotated[Path, typer.Argument(metavar="SHOP", help="A folder with a shop.toml, or a toml file.")]
RootOption = Annotated[Path | None, typer.Option("--root", help="Where the data of the toml lie.")]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")]
HtmlOption = Annotated[Path | None, typer.Option("--html", help="Write a page to this file.")]
OptionsFile = Annotated[
    Path | None, typer.Option("--options", help="Learning options from JSON, such as a bundle's config.json.")
]


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write the shop.")],
    items: Annotated[int, typer.Option("--items", min=36, help="Number of garments.")] = 1_200,
    users: Annotated[int, typer.Option("--users", min=6, help="Number of shoppers.")] = 800,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
) -> None:
    """Draw and write the built-in shop, whose truth is known."""
    from modaloom.samples.write import write_sample
    from modaloom.terminal import bars, say

    with bars() as tell:
        write_sample(folder, items=items, users=users, seed=seed, progress=tell)
    say(f"{folder}: a shop with {items:,} garments and {users:,} shoppers. Next: modaloom check {folder}")


@app.command()
def check(shop: ShopArgument, root: RootOption = None, json: JsonOption = None, html: HtmlOption = None) -> None:
    """Report on the quality of a shop's data."""
    from modaloom.files import write_json
    from modaloom.quality.page import write_page
    from modaloom.quality.report import check_shop, print_report
    from modaloom.terminal import bars, console, open_shop

    settings, opened = open_shop(shop, root)
    with bars() as tell:
        report = check_shop(opened, settings=settings, progress=tell)
    print_report(report, console)
    if json:
        write_json(json, report.to_dict())
    if html:
        write_page(report, opened, html, settings=settings)


@app.command()
def train(
    shop: ShopArgument,
    out: Annotated[Path, typer.Option("--out", metavar="BUNDLE", help="Folder to write the bundle to.")],
    root: RootOption = None,
    size: Annotated[str | None, typer.Option("--size", help="small, base (default) or large.")] = None,
    fusion: Annotated[
        str | None,
        typer.Option("--fusion", help="attention (default), concat-mlp, gru, gated, cross_attention or transformer."),
    ] = None,
    attention: Annotated[str | None, typer.Option("--attention", help="dot, scaled_dot (default) or additive.")] = None,
    sequence: Annotated[
        str | None, typer.Option("--sequence", help="kernel (default), mean, gru or transformer.")
    ] = None,
    modalities: Annotated[
        str | None, typer.Option("--modalities", help="Comma-separated; image,text,attributes,behaviour by default.")
    ] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, max=1000)] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0)] = None,
    options: OptionsFile = None,
    tune_minutes: Annotated[
        float | None,
        typer.Option("--tune-minutes", help="Search better options on validation first; what is given stays."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a killed run stopped.")] = False,
) -> None:
    """Learn from a shop and write a bundle that recommends."""
    from modaloom.learning import LearnOptions, TuningPlan, load_options, train_bundle
    from modaloom.terminal import bars, console, note_pictures, open_shop, print_trained

    asked = {
        "size": size, "fusion": fusion, "attention": attention, "sequence": sequence, "epochs": epochs, "seed": seed,
        "modalities": None if modalities is None else _names(modalities),
    }  # fmt: skip
    given = {name: value for name, value in asked.items() if value is not None}
    learning = (load_options(options) if options else LearnOptions()).with_values(given)
    plan = None if tune_minutes is None else TuningPlan(tune_minutes, frozenset(given))
    settings, opened = open_shop(shop, root)
    place = out if out.name not in ("", "..") else out.resolve()  # what lies beside it needs a name
    with bars() as tell:
        metrics = train_bundle(opened, place, learning, settings=settings, resume=resume, tuning=plan, tell=tell)
    note_pictures(opened)
    print_trained(metrics, out, console)


@app.command()
def evaluate(
    shop: ShopArgument,
    root: RootOption = None,
    protocol: Annotated[
        str, typer.Option("--protocol", help="temporal, rolling, last-out, random, file, new-users, or labels.")
    ] = "rolling",
    test: Annotated[Path | None, typer.Option("--test", help="Test interactions for the protocol 'file'.")] = None,
    windows: Annotated[int, typer.Option("--windows", min=1)] = 6,
    window_days: Annotated[int, typer.Option("--window-days", min=1)] = 28,
    n: Annotated[int, typer.Option("-n", min=1, help="Length of the lists.")] = 20,
    models: Annotated[str, typer.Option("--models", help="Comma-separated names, or all.")] = "all",
    seeds: Annotated[str, typer.Option("--seeds", help="Comma-separated.")] = "0",
    json: JsonOption = None,
    html: HtmlOption = None,
    size: Annotated[str | None, typer.Option("--size", help="Of our own model: small, base or large.")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, max=1000, help="Of our own model.")] = None,
    options: OptionsFile = None,
    label: Annotated[str, typer.Option("--label", help="For labels: likes, value, or an attribute.")] = "likes",
    threshold: Annotated[float | None, typer.Option("--threshold", help="A rating is good from here on.")] = None,
) -> None:
    """Measure models on honest cuts of a shop's log, or on its labels, side by side."""
    if protocol == "labels":
        size = size or "base"
        return _evaluate_labels(shop, root, label, threshold, _names(models), _numbers(seeds), size, json, html)
    from modaloom.encoders.encode import encode_items
    from modaloom.evaluation.protocol import Protocol
    from modaloom.evaluation.protocol import evaluate as run
    from modaloom.evaluation.report import print_report, write_html
    from modaloom.evaluation.report import write_json as write_figures
    from modaloom.learning import LearnOptions, load_options, model_factories
    from modaloom.terminal import bars, console, note_pictures, open_shop

    how = Protocol(protocol, n, windows, window_days, _numbers(seeds), test)
    given = {name: value for name, value in (("size", size), ("epochs", epochs)) if value is not None}
    learning = (load_options(options) if options else LearnOptions()).with_values(given)
    factories = model_factories(_names(models), learning)
    settings, opened = open_shop(shop, root)
    how.require_log(opened)
    with bars() as tell:
        tokens = encode_items(opened, settings=settings, progress=tell)
        result = run(opened, tokens, how, factories, tolerant=_names(models) == ("all",), tell=tell)
    note_pictures(opened)
    print_report(result, console)
    if json:
        write_figures(result, json)
    if html:
        write_html(result, html)
    return None


def _evaluate_labels(
    shop: Path,
    root: Path | None,
    label: str,
    threshold: float | None,
    models: tuple[str, ...],
    seeds: tuple[int, ...],
    size: str,
    json: Path | None,
    html: Path | None,
) -> None:
    """Ratings, likes or an attribute, predicted: ``evaluate --protocol labels``."""
    from modaloom.data.labels import read_labels
    from modaloom.encoders.encode import encode_items
    from modaloom.evaluation.label_report import print_report, write_html
    from modaloom.evaluation.label_report import write_json as write_figures
    from modaloom.evaluation.labelled import evaluate_labels
    from modaloom.learning import SIZES, LearnOptions
    from modaloom.models.labelled import HeadConfig
    from modaloom.terminal import bars, console, note_pictures, open_shop
    from modaloom.training.labelled import LabelLoopConfig, label_classifiers

    config = LabelLoopConfig(head=HeadConfig(dim=SIZES[LearnOptions(size=size).size]))
    settings, opened = open_shop(shop, root)
    with bars() as tell:
        tokens = encode_items(opened, settings=settings, progress=tell)
        data = read_labels(opened, tokens, label, threshold=threshold)
        factories = label_classifiers(data, config, models)
        result = evaluate_labels(opened.name, data, factories, seeds=seeds, tell=tell)
    note_pictures(opened)
    print_report(result, console)
    if json:
        write_figures(result, json)
    if html:
        write_html(result, html)


@app.command()
def recommend(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A folder that 'modaloom train' wrote.")],
    user: Annotated[str | None, typer.Option("--user", help="A known shopper's id.")] = None,
    items: Annotated[
        str | None, typer.Option("--items", help="Ids of garments that the shopper has, comma-separated.")
    ] = None,
    photo: Annotated[Path | None, typer.Option("--photo", help="A picture of a garment.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="What the shopper is looking for, in words.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 20,
    lang: Annotated[str | None, typer.Option("--lang", help="zh or en; the shop's own by default.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Recommend garments, and say why."""
    from modaloom.shop.bundle import load_bundle
    from modaloom.shop.offline import Query, Recommender
    from modaloom.terminal import print_recommendations, read_settings

    if sum(value is not None for value in (user, items, photo, text)) != 1:
        raise QueryError("give exactly one of --user, --items, --photo and --text")
    recommender = Recommender(load_bundle(bundle), read_settings())
    query = Query(user=user, items=_names(items) if items is not None else None, photo=photo, text=text)
    language = recommender.language(lang)
    print_recommendations(recommender, recommender.recommend(query, n=n, language=language), language, as_json=json)


StoreOption = Annotated[
    str | None,
    typer.Option("--store", help="sqlite:///FILE or postgresql://...; by default a file beside the bundle."),
]


@app.command()
def serve(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A folder that 'modaloom train' wrote.")],
    store: StoreOption = None,
    host: Annotated[str | None, typer.Option("--host", help="127.0.0.1 by default; 0.0.0.0 for all addresses.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65_535, help="8000 by default.")] = None,
    workers: Annotated[int | None, typer.Option("--workers", min=1, max=64, help="Processes; 1 by default.")] = None,
    today: Annotated[bool, typer.Option("--today", help="Move a new store's calendar to this week.")] = False,
) -> None:
    """Serve a bundle: the HTTP API and the page."""
    from modaloom.serving import run_service
    from modaloom.terminal import read_settings

    run_service(bundle, store, read_settings(), today=today, host=host, port=port, workers=workers)


@app.command()
def migrate(store: Annotated[str, typer.Option("--store", help="sqlite:///FILE or postgresql://...")]) -> None:
    """Bring a store's schema up to date; 'serve' does so too."""
    from modaloom.storage.open import open_store
    from modaloom.terminal import say

    with open_store(store, migrate=False) as opened:
        done = opened.migrate()
    say(f"done: {', '.join(done)}" if done else "nothing to do: the schema is up to date")


@app.command()
def erase(
    user: Annotated[str, typer.Argument(metavar="USER", help="The shopper's id.")],
    under: Annotated[Path, typer.Option("--under", metavar="DIR", help="A folder with bundles in it.")],
) -> None:
    """Erase a shopper from what is kept beside every bundle under a folder, for good."""
    from modaloom.shop.shoppers import erase_under
    from modaloom.terminal import say

    for line in erase_under(under, user):
        say(line)


@app.command()
def renew_key(
    scope: Annotated[str, typer.Argument(metavar="SCOPE", help="page, shop or admin.")],
    store: Annotated[str, typer.Option("--store", help="sqlite:///FILE or postgresql://...")],
) -> None:
    """Make a new key of a store's service in the place of a lost one."""
    from modaloom.api.keys import renew_key as renew
    from modaloom.storage.open import open_store
    from modaloom.terminal import say

    with open_store(store) as opened:
        key = renew(opened, scope)
    say(f"{scope} key: {key} (shown this once). It holds once 'modaloom serve' is started again")


@app.command()
def retrain(
    store: Annotated[str, typer.Option("--store", help="sqlite:///FILE or postgresql://...")],
    out: Annotated[Path, typer.Option("--out", metavar="BUNDLE", help="Folder of the new bundle, if it wins.")],
    share: Annotated[float, typer.Option("--share", help="Of the traffic, for a winner.")] = 1.0,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, max=1000)] = None,
    options: OptionsFile = None,
) -> None:
    """Learn from a store's own data; the new bundle answers only if it beats the one that does."""
    from modaloom.learning import LearnOptions, load_options
    from modaloom.learning.retrain import retrain as run
    from modaloom.storage.open import open_store
    from modaloom.terminal import bars, print_verdict, read_settings

    given = {} if epochs is None else {"epochs": epochs}
    learning = (load_options(options) if options else LearnOptions()).with_values(given)
    with open_store(store) as opened, bars() as tell:
        opened.migrate()
        verdict, name = run(opened, out, learning, settings=read_settings(), share=share, tell=tell)
    print_verdict(str(verdict), name)


@app.command()
def demo(
    port: Annotated[int, typer.Option("--port", min=1, max=65_535, help="Of the page.")] = 8000,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="Stop after the report, without the page.")] = False,
    folder: Annotated[Path, typer.Option("--folder", help="Where the demo's files go.")] = Path("demo"),
) -> None:
    """Build the built-in shop, learn from it, show what came out, and serve its page."""
    from modaloom.demo import run_demo

    run_demo(folder, port=port, serve=not no_serve)


@app.command()
def doctor() -> None:
    """Check that everything Modaloom needs is there."""
    from modaloom.doctor import diagnose, print_findings
    from modaloom.terminal import read_settings

    raise typer.Exit(print_findings(diagnose(read_settings())))


shop_commands.add_to(app)
trend_commands.add_to(app)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _numbers(text: str) -> tuple[int, ...]:
    names = _names(text)
    if not names or not all(name.isascii() and name.isdecimal() for name in names):
        raise QueryError(f"not a list of whole numbers: {text!r}", hint="Write for example --seeds 0,1,2")
    return tuple(dict.fromkeys(int(name) for name in names))


def main() -> None:
    """Entry point: prints what went wrong on one line and exits with 2; with 130 where it was interrupted."""
    from modaloom.terminal import make_output_readable

    make_output_readable()
    try:
        app(standalone_mode=True)
    except ModaloomError as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in EXTRA_OF:  # nothing that an extra brings: a fault of ours
            raise
        verb = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
        extra = EXTRA_OF_VERB.get(verb, EXTRA_OF[module])
        _fail(str(MissingExtraError(module, extra, f"'modaloom {verb}'")))
    except OSError as error:
        _fail(f"{error.filename or 'file system'}: {error.strerror or error}.")


def _fail(message: str) -> None:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    main()
