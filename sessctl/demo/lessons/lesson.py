"""What a lesson is: scenarios against demo shops, what to look at in them, and why it is so."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sessctl.demo.options import ShopOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """One shop of a lesson. `secrets` are names: shops that name the same one share it."""

    options: ShopOptions = field(default_factory=ShopOptions)
    secrets: tuple[str, ...] = ("shared",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One scenario with the shops that it is played against.

    Attributes:
        scenario: its file's name, without the ending.
        told: what it has shown, once all that it expects has come true.
        title: tells it from the other part of a lesson of two.
        shops: the first is the target; several are instances too, called by their options' names.
        store: each shop's own memory, or one SQLite file for all of them.
        joined: the store is shown beside the browser; it has to be SQLite.
        control: noise has to be told from state. A lesson that waits does without the third run.
    """

    scenario: str
    told: str
    title: str = ""
    shops: tuple[Shop, ...] = (Shop(),)
    store: Literal["memory", "sqlite"] = "memory"
    joined: bool = False
    control: bool = True

    @property
    def path(self) -> Path:
        """The scenario's file."""
        return Path(__file__).parent / f"{self.scenario}.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """One lesson of one part, or of two that are held against each other.

    Attributes:
        summary: a line for the list.
        look: what to look at, in plain sentences.
        why: one sentence.
        aimed: the part that can be played against the reader's own app; None if there is none,
            and `needs` says what such an app would have to have.
    """

    name: str
    summary: str
    look: tuple[str, ...]
    parts: tuple[Part, ...]
    why: str
    aimed: Part | None = None
    needs: str = ""


__all__ = ["Lesson", "Part", "Shop"]
