"""What the pool and its workers say to each other: one line of JSON each way.

Before its answer a worker says that it begins, so that a job lost with a worker that was dying
already can be told from one that killed its worker.

A job travels with two descriptors, the original's and the result's, so that a worker needs no
file system. Whatever a worker answers is judged as if a stranger had written it, because a
stranger's picture may have taken the worker over.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast, get_args

from media_gate.images.rendering import Rendering

if TYPE_CHECKING:
    from media_gate.images.header import Kind

#: "auto" takes for each kind of picture the one that does it better
Engine = Literal["auto", "vips", "pillow"]
#: damaged: the picture; failed: the machinery, such as no memory
Flaw = Literal["damaged", "failed"]

#: longest line either side accepts
MAX_LINE = 4096
#: a worker has read a job and looks at the picture now
BEGINNING = b"{}"

#: reductions that decoders of JPEG and WebP do for nearly nothing, strongest first
SHRINKS = (8, 4, 2)
#: a decoder leaves at least so many times the pixels of the result on each side; compared with
#: reducing all pixels, photographs then differ by 53 dB in the median and never less than 39, at
#: 1.0 by as little as 33
SPARE = 1.5


class JobFailed(Exception):
    """A picture that could not be made."""

    def __init__(self, flaw: Flaw, reason: str) -> None:
        super().__init__(reason)
        self.flaw = flaw
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Job:
    """What to make of the picture whose descriptor comes along.

    Attributes:
        kind: found by sniffing; decides the decoder.
        pixels: what the header promised; a decoder that finds more is refused.
        rendering: what is wanted.
    """

    kind: Kind
    pixels: int
    rendering: Rendering

    def line(self) -> bytes:
        """To a worker."""
        fields = {"kind": self.kind, "pixels": self.pixels, "as": self.rendering.canonical()}
        return json.dumps(fields).encode()

    @classmethod
    def parse(cls, line: bytes) -> Job:
        """From the pool."""
        fields = json.loads(line)
        return cls(fields["kind"], fields["pixels"], Rendering.parse(fields["as"]))


@dataclass(frozen=True, slots=True)
class Done:
    """A worker's good answer.

    Attributes:
        width: of the result.
        height: of the result.
    """

    width: int
    height: int

    def line(self) -> bytes:
        """To the pool."""
        fields = {"width": self.width, "height": self.height}
        return json.dumps(fields).encode()


def failure_line(failed: JobFailed) -> bytes:
    """A worker's bad answer."""
    return json.dumps({"error": failed.flaw, "reason": failed.reason[:500]}).encode()


def parse_answer(line: bytes) -> Done:
    """Read a worker's answer.

    Raises:
        JobFailed: the worker says so, or what it says is not of the form.
    """
    try:
        fields = json.loads(line)
        if "error" in fields:
            flaw = fields["error"]
            known = flaw in get_args(Flaw)
            raise JobFailed(cast("Flaw", flaw) if known else "failed", str(fields["reason"]))
        return Done(int(fields["width"]), int(fields["height"]))
    except (ValueError, TypeError, KeyError) as error:
        raise JobFailed("failed", "unreadable answer") from error
