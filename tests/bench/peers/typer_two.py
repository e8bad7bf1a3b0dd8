"""A typer program with two commands: the least that a command line of this kind costs."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def one(name: str, loud: Annotated[bool, typer.Option("--loud")] = False) -> None:
    typer.echo(name.upper() if loud else name)


@app.command()
def two() -> None:
    typer.echo("two")


if __name__ == "__main__":
    app()
