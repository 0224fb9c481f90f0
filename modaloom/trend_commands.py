"""COMMAND: the verbs about time, registered by ``cli``: what moves in a shop, and forecasts of series."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modaloom.errors import ForecastError

if TYPE_CHECKING:
    from rich.console import Console

    from modaloom.data.numbers import Decimal
    from modaloom.forecasting.contract import Forecast
    from modaloom.forecasting.report import Judgement

SHOWN = 20
"""Series in the table on the terminal."""


def add_to(app: typer.Typer) -> None:
    """Registers this file's commands."""
    app.command()(trends)
    app.command()(forecast)


def trends(
    source: Annotated[str, typer.Argument(metavar="SHOP_OR_STORE", help="A shop, or sqlite:///FILE, postgresql://...")],
    root: Annotated[Path | None, typer.Option("--root", help="Where the data of the toml lie.")] = None,
    by: Annotated[
        str | None, typer.Option("--by", help="One way to count only: colour, look, word, price, or an attribute.")
    ] = None,
    horizon_weeks: Annotated[int, typer.Option("--horizon-weeks", min=1, max=260)] = 26,
    daily: Annotated[bool, typer.Option("--daily", help="Count by days, not by weeks.")] = False,
    k: Annotated[int, typer.Option("--k", min=1, help="Nothing is shown about fewer shoppers.")] = 20,
    lang: Annotated[str | None, typer.Option("--lang", help="zh or en; the shop's own by default.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write the board, sheets, charts and the report.")
    ] = None,
) -> None:
    """Say what rises and falls, how sure that is, and what to do; keep it where SHOP_OR_STORE is a store."""
    from modaloom.bulletin.run import run_trends
    from modaloom.terminal import bars, console, read_settings
    from modaloom.trends.read import TrendOptions

    options = TrendOptions(k=k, daily=daily, horizon_weeks=horizon_weeks, by=by)
    with bars() as tell:
        told = run_trends(source, root, options, settings=read_settings(), language=lang, tell=tell)
    told.print(lang, console)
    if out:
        told.write(out, lang, console)


def forecast(
    file: Annotated[Path, typer.Argument(metavar="CSV", help="Series, wide or long; CSV or Parquet.")],
    season: Annotated[int, typer.Option("--season", min=1, help="Steps after which things repeat.")] = 52,
    horizon: Annotated[int, typer.Option("--horizon", min=1, help="Steps to forecast.")] = 52,
    train_end: Annotated[
        int | None, typer.Option("--train-end", min=1, help="Steps to learn from; the rest is held out and judged.")
    ] = None,
    aux: Annotated[
        Path | None, typer.Option("--aux", help="A second signal for each series, such as what trendsetters do.")
    ] = None,
    level: Annotated[float, typer.Option("--level", help="Share of the future inside the interval.")] = 0.8,
    models: Annotated[str | None, typer.Option("--models", help="Comma-separated names.")] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", help="Of a long table: name,time,value. Recognised by default.")
    ] = None,
    decimal: Annotated[
        str | None, typer.Option("--decimal", help="The decimal sign, . or , where the file does not tell.")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write everything to this file.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write forecasts and intervals to this file.")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Draw the first series to this file.")] = None,
) -> None:
    """Forecast any series, with intervals and a back-test."""
    from modaloom.files import write_json
    from modaloom.forecasting.forecast import forecast as run
    from modaloom.forecasting.report import judge, to_dict, write_chart, write_csv
    from modaloom.forecasting.series import LongColumns, read_series
    from modaloom.terminal import bars, console

    chosen = None if columns is None else LongColumns(*_three(columns))
    series = read_series(file, aux=aux, columns=chosen, decimal=_decimal(decimal))
    end = series.length if train_end is None else train_end
    if end > series.length:
        raise ForecastError(f"--train-end {end} is beyond the {series.length} steps of {file}")
    past, actual = series.until(end), series.values[:, end:]
    names = None if models is None else [name.strip() for name in models.split(",") if name.strip()]
    with bars() as tell:
        made = run(past, season=season, horizon=horizon, level=level, models=names, progress=tell)
    judged = judge(made, past, actual, season)
    _show(made, judged, season, console)
    if json:
        write_json(json, to_dict(made, past, season, judged))
    if csv:
        write_csv(made, past, csv)
    if png:
        write_chart(made, past, png, actual=actual, season=season)


def _decimal(sign: str | None) -> Decimal | None:
    if sign not in (None, ".", ","):
        raise ForecastError(f"the decimal sign {sign!r} is neither . nor ,")
    return sign  # type: ignore[return-value]


def _three(text: str) -> tuple[str, str, str]:
    names = [name.strip() for name in text.split(",")]
    if len(names) != 3 or not all(names):
        raise ForecastError(f"not three names: {text!r}", hint="Write --columns name,time,value")
    return names[0], names[1], names[2]


def _show(made: Forecast, judged: Judgement | None, season: int, screen: Console) -> None:
    """What is expected of the first series, the weights, and how all of it did."""
    from rich.markup import escape
    from rich.table import Table

    from modaloom.terminal import say

    table = Table(header_style="bold")
    table.add_column("series", overflow="fold")
    for heading in ("next", f"{made.level:.0%} interval", "mean", "back-test", "MASE"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row, name in enumerate(made.names[:SHOWN]):
        if made.abstained[row]:
            why = "absurd values" if made.absurd is not None and made.absurd[row] else "too short"
            table.add_row(escape(name), "-", why, "-", "-", "-")
            continue
        before = "" if made.backtest is None else f"{made.backtest.series_mase[row]:.2f}"
        table.add_row(
            escape(name),
            f"{made.mean[row, 0]:.3g}",
            f"{made.lower[row, 0]:.3g} .. {made.upper[row, 0]:.3g}",
            f"{made.mean[row].mean():.3g}",
            before,
            "" if judged is None else f"{judged.mase[row]:.2f}",
        )
    screen.print(table)
    if len(made.names) > SHOWN:
        say(f"... and {len(made.names) - SHOWN:,} more", screen)
    absurd = [] if made.absurd is None else [name for name, bad in zip(made.names, made.absurd, strict=True) if bad]
    if short := int(made.abstained.sum()) - len(absurd):
        say(f"{short} series are shorter than two seasons of {season}: no forecast", screen)
    if absurd:
        listed = ", ".join(absurd[:3]) + (" ..." if len(absurd) > 3 else "")
        say(f"{len(absurd)} series have values that nothing can be reckoned with: no forecast for {listed}", screen)
    weights = made.weights.mean(axis=0)
    parts = sorted(zip(made.models, weights, strict=True), key=lambda pair: -pair[1])
    say("weights: " + ", ".join(f"{name} {weight:.2f}" for name, weight in parts if weight >= 0.005), screen)
    if made.backtest is not None:
        test = made.backtest
        origins = "1 origin" if len(test.origins) == 1 else f"{len(test.origins)} origins"
        covered = "" if math.isnan(test.coverage) else f", intervals cover {test.coverage:.1%}"
        say(f"back-test from {origins}: pooled MASE {test.pooled_mase:.4f}{covered}", screen)
    if judged is not None:
        say(
            f"held out, {judged.steps} steps: pooled MASE {judged.pooled_mase:.4f}, intervals cover "
            f"{judged.coverage:.1%}, direction right {judged.direction_accuracy:.1%}",
            screen,
        )
