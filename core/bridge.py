"""Bridge: the strategy that ties the latent spaces of the domains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from .code import Code
from .config import Configurable
from .errors import DataError, UnknownNameError, UnsupportedError
from .modality import Modality
from .modes import check_modes
from .progress import Tick
from .signal import Signal
from .stage import Stage


@dataclass(frozen=True)
class Needs:
    """What a bridge wants of the records, checked before training.

    Args:
        labels: every domain must have labelled items.
        pairs: some rows must hold the domains that ``Bridge.together`` names.
        advice: what to do when the records lack it.
    """

    labels: bool = False
    pairs: bool = False
    advice: str = ""


class Bridge(Configurable, nn.Module, ABC):
    """A pair of maps through one common space, plus a plan of training.

    ``translate = decode . encode`` for any source and any target. A bridge is constructed
    from its settings alone; ``connect`` gives it the domains, once, and builds its modules.
    """

    name: ClassVar[str]
    needs: Needs = Needs()
    searches: ClassVar[bool] = False  # encode walks to a code step by step, and so rounds

    domains: dict[str, Modality]
    classes: int
    begun_from: str = ""  # SHA-256 of the weights it begins with, where they are no random ones

    def __init__(self) -> None:
        super().__init__()
        self.domains = {}
        self.classes = 0

    def connect(self, domains: Mapping[str, Modality], classes: int) -> None:
        """Build the modules for these domains.

        Args:
            domains: name -> Modality. Domains given the same object share its subnets.
            classes: number of classes in the records' labels, 0 where there are none.

        Raises:
            SettingError: the settings do not fit the domains; torch's default type is not float32.
        """
        check_modes()
        self.domains = dict(domains)
        self.classes = classes
        try:
            with torch.inference_mode(False):  # weights made within it could never learn
                self.build()
        except BaseException:
            self.disconnect()
            raise

    def disconnect(self) -> None:
        """As it was before ``connect``: without domains and modules, which ``build`` makes."""
        self.domains, self.classes = {}, 0
        for built in (self._modules, self._parameters, self._buffers):
            built.clear()

    @abstractmethod
    def build(self) -> None:
        """Build the modules, ``self.domains`` and ``self.classes`` being set."""

    def together(self) -> Sequence[Sequence[str]]:
        """Groups of domains that some rows must hold together, where the bridge needs pairs."""
        return [tuple(self.domains)]

    def directions(self) -> Sequence[tuple[str, str]]:
        """Pairs (source, target) that it translates, once connected: from any domain into any.

        From a domain to itself it reconstructs.
        """
        return [(source, target) for source in self.domains for target in self.domains]

    @abstractmethod
    def encode(self, signal: Signal, domain: str) -> Code:
        """A signal of a domain -> its code in the common space."""

    def encode_telling(self, signal: Signal, domain: str, tick: Tick) -> Code:
        """``encode``; a bridge that ``searches`` calls ``tick`` with steps done, steps in all."""
        return self.encode(signal, domain)

    @abstractmethod
    def decode(self, code: Code, domain: str, style: Code | None = None) -> Signal:
        """A code of the common space -> a signal of a domain.

        Args:
            code: of b items.
            domain: to decode into.
            style: one for all items or one for each, where the bridge has styles.
        """

    @abstractmethod
    def stages(self) -> Sequence[Stage]:
        """How it learns: stages in order. Every trainable parameter is claimed by some phase."""

    def prior(self, n: int) -> Code:
        """n codes drawn from the prior over the common space, on the device of the weights.

        Drawn by torch's global generator of the CPU, so that a seed gives the same codes on
        every device.

        Raises:
            UnsupportedError: the bridge has no prior to sample from.
        """
        raise UnsupportedError(
            f"the bridge {self.name!r} has no prior to sample from; it only translates, and goes "
            "from one item to another"
        )

    def sample(self, n: int, domains: Sequence[str]) -> dict[str, Signal]:
        """Joint samples, n of each domain: what it makes of the same n draws of the prior.

        Raises:
            UnsupportedError: the bridge has no prior to sample from.
        """
        code = self.prior(n)
        return {domain: self.decode(code, domain) for domain in domains}

    def in_style(self, domain: str) -> bool:
        """Whether ``decode`` makes the domain in a style: here, whether there are any."""
        return type(self).style is not Bridge.style

    def style(self, reference: Signal, domain: str) -> Code:
        """The style of each reference, to hand to ``decode``: as many tokens for any, no mask.

        Raises:
            UnsupportedError: the bridge has no styles.
        """
        raise UnsupportedError(f"the bridge {self.name!r} has no styles")

    def style_sample(self, n: int) -> Code:
        """n styles drawn from the prior over styles; how, see ``prior``.

        Raises:
            UnsupportedError: the bridge has no styles, or no prior over them.
            SettingError: n is below 1.
        """
        raise UnsupportedError(f"the bridge {self.name!r} has no styles to draw")

    def style_mix(self, weights: Tensor | Sequence[Sequence[float]]) -> Code:
        """Styles of weights ``[b k]`` over the bridge's k universal tokens.

        Raises:
            UnsupportedError: the bridge has no styles to mix.
            DataError: not one finite weight for each.
        """
        raise UnsupportedError(f"the bridge {self.name!r} has no styles to mix")

    def classify(self, signal: Signal, domain: str) -> Tensor:
        """Logits ``[b classes]`` of a classifier that was learned beside the translation.

        Raises:
            UnsupportedError: the bridge has no classifier.
        """
        raise UnsupportedError(f"the bridge {self.name!r} has no classifier")

    def embed(self, signal: Signal, domain: str) -> Tensor:
        """``[b d]`` vectors to compare across domains: the mean token of ``encode``."""
        code = self.encode(signal, domain)
        if code.mask is None:
            return code.tokens.mean(1)
        weight = code.mask[..., None].to(code.tokens.dtype)
        return (code.tokens * weight).sum(1) / weight.sum(1).clamp(min=1)

    def check_domain(self, domain: str) -> None:
        """Refuse a domain this bridge does not join.

        Raises:
            UnknownNameError: naming the domains it does join.
        """
        if domain not in self.domains:
            raise UnknownNameError(
                f"no domain {domain!r} here; this translator joins {', '.join(self.domains)}"
            )

    def check_style(self, style: Code, domain: str, count: int) -> None:
        """Refuse what is no style of ``count`` items of a domain.

        Raises:
            UnsupportedError: the domain is made in no style.
            DataError: it is no Code, neither one style nor one for each item, or not finite.
        """
        if not self.in_style(domain):
            raise UnsupportedError(
                f"{domain!r} is made in no style: the bridge {self.name!r} has none, or was "
                "trained without styles; leave style out"
            )
        if not isinstance(style, Code):
            raise DataError(
                "a style is a Code, as style, style_sample and style_mix make it, not a "
                f"{type(style).__name__}"
            )
        if len(style) not in (1, count):
            raise DataError(
                f"{len(style)} styles for {count} items; give one for all, or one for each"
            )
        if not bool(style.tokens.isfinite().all()):
            raise DataError("a style has numbers that are NaN or infinite")
