"""The whole journey on the built-in shop: draw, learn, serve; what it measures follows while the page is up."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from modaloom.api.workers.listening import bind
from modaloom.config import Settings
from modaloom.demo_report import BackgroundReport, Report, make_report, shoppers
from modaloom.encoders.encode import encode_items
from modaloom.evaluation.report import print_report
from modaloom.learning import LearnOptions, train_bundle
from modaloom.samples.write import write_sample
from modaloom.serving import print_ready, run_service
from modaloom.shop.bundle import load_bundle
from modaloom.shop.open import fill_store
from modaloom.storage.open import open_store
from modaloom.terminal import bars, console, open_shop, say
from modaloom.types import Tell

NAMES = ("Mei", "Jun", "Lina", "Tao", "Ana", "Kai")
"""What the demonstration calls the shoppers that a visitor may look at the page as."""
PLAIN_LINE_EVERY_S = 20.0
"""Where progress is no bar but lines, few of them."""
TO_TRY = """\
What to try:
  * [bold]Look as[/bold] somebody else (top right): the list and its reasons change
  * like, hide or call something too expensive: the next list takes it into account
  * search for “silk blouse” or 羊毛大衣, or drop a photo of a garment on the search
  * Me: what Modaloom knows about you, to change or erase
  * {address}/trends and {address}/admin with the admin key above
  * {address}/demo: how well it recommends, being measured now (some minutes; the page may be used meanwhile)
"""


def run_demo(folder: Path, *, port: int, serve: bool) -> None:
    """Runs the journey; the drawn shop is kept for the next time.

    Args:
        folder: where everything goes.
        port: of the page.
        serve: whether to end with the page, until Ctrl-C, while the report is made; or with the report.

    Raises:
        ServeError: the port is taken; told before the work.
    """
    if serve:
        bind("127.0.0.1", port).close()
    shop_folder, bundle_folder = folder / "shop", folder / "bundle"
    store = f"sqlite:///{(folder / 'shop.db').resolve()}"
    if not (shop_folder / "shop.toml").is_file():
        with _phase("drawing a shop of 1,200 garments and the past of 800 shoppers") as tell:
            write_sample(shop_folder, progress=tell)
    settings, shop = open_shop(shop_folder, None)
    with _phase("looking at its pictures and reading its texts") as tell:
        encode_items(shop, settings=settings, progress=tell)
    with _phase("learning from it") as tell:
        train_bundle(shop, bundle_folder, LearnOptions(), settings=settings, tell=tell)
    if not serve:
        _report_here(folder, settings)
        return
    with _phase("preparing the page") as tell, open_store(store) as opened:
        fill_store(opened, load_bundle(bundle_folder), settings, today=True, tell=tell)
    _serve(folder, settings, port, store)


@contextmanager
def _phase(what: str) -> Iterator[Tell]:
    """Says how long one phase took, once it is over."""
    started = time.perf_counter()
    with bars(every_s=PLAIN_LINE_EVERY_S) as tell:
        tell(what, 0, 0)
        yield tell
    say(f"{what}: {time.perf_counter() - started:.0f} s")


def _report_here(folder: Path, settings: Settings) -> None:
    """The report, made by this process."""
    with bars(every_s=PLAIN_LINE_EVERY_S) as tell:
        evaluation = make_report(folder, settings, Report(folder / "report", say, tell=tell), store_url=None)
    if evaluation is not None:
        print_report(evaluation, console)


def _serve(folder: Path, settings: Settings, port: int, store: str) -> None:
    """The page, with some of the built-in shop's shoppers to look at it as, and the report that is made meanwhile."""
    chosen = [user_id for group in shoppers(folder / "shop", 2).values() for user_id in group]
    keys = {scope: secrets.token_urlsafe(18) for scope in ("shop", "admin")}  # of this run

    with ExitStack() as stack:

        def ready(address: str, made: Mapping[str, str]) -> None:
            print_ready(address, keys)
            console.print(TO_TRY.format(address=address), soft_wrap=True)
            report = BackgroundReport(folder.resolve(), settings, say, store_url=store, address=address)
            stack.callback(report.close)

        run_service(
            folder / "bundle",
            store,
            settings,
            today=True,
            on_ready=ready,
            port=port,
            demo_shoppers=dict(zip(chosen, NAMES, strict=False)),
            demo_report=folder / "report",
            shop_name="Modaloom",
            log_requests=False,
            shop_keys=(keys["shop"],),
            admin_keys=(keys["admin"],),
        )
