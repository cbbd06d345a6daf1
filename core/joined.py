"""Joined: domains and a connected bridge, put to use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from .bridge import Bridge
from .code import Code
from .config import check_number
from .errors import DataError, ReachError, SettingError, UnknownNameError
from .latents.reach import require_finite
from .modality import Modality
from .progress import bar
from .seeds import seeded
from .signal import Signal

BATCH = 256  # items translated or sampled at a time
T = TypeVar("T")


class Joined:
    """What can be done with domains that a bridge joins; ``Translator`` also trains them."""

    domains: dict[str, Modality]
    bridge: Bridge
    classes: tuple[str, ...]

    @property
    def connected(self) -> bool:
        """Whether the bridge's modules are built, that is, after fit, connect or load."""
        return bool(self.bridge.domains)

    def translate(
        self,
        items: Sequence[Any],
        source: str,
        target: str,
        *,
        among: Sequence[Any] | None = None,
        progress: bool = True,
    ) -> list[Any]:
        """Items of one domain into items of another.

        Args:
            items: of the source's modality (or paths of files that hold them).
            source, target: names of domains.
            among: items of the target (or paths) to choose from: nothing is made then, each
                answer is the one of largest cosine in the common space. For bridges that are
                there to retrieve; ``Index`` is for many.
            progress: show a progress bar where standard error is a terminal.

        Raises:
            UnknownNameError: no such domain.
            DataError: an item cannot be used; there is none to choose from.
            ReachError: the bridge searches, and finds nothing like an item; names the positions.
            UnsupportedError: the bridge makes nothing in the target; give ``among``.
        """
        if among is not None:
            return self._nearest(items, source, target, among)
        modality = self._modality(source)
        signal = modality.collate([modality.load(item) for item in items])
        made = self.translate_signal(signal, source, target, progress=progress)
        return self._modality(target).split(made)

    def _nearest(
        self, items: Sequence[Any], source: str, target: str, among: Sequence[Any]
    ) -> list[Any]:
        if not len(among):
            raise DataError(f"no items of {target!r} to choose from; give at least one")
        near, far = (F.normalize(self.embed(x, d), dim=1)
                     for x, d in ((items, source), (among, target)))  # fmt: skip
        best = torch.cat([(part @ far.T).argmax(1) for part in near.split(BATCH)])
        return [self._modality(target).load(among[i]) for i in best.tolist()]

    def translate_signal(
        self, signal: Signal, source: str, target: str, *, progress: bool = False
    ) -> Signal:
        """``translate`` from signal to signal, without files or items."""
        self._modality(source), self._modality(target)
        with bar(f"{source} -> {target}", len(signal), progress) as show:

            def translated(part: Signal, start: int) -> Signal:
                def tick(done: int, steps: int) -> None:
                    show(start + len(part) * done / steps)

                code = self.bridge.encode_telling(part, source, tick)
                made = self.bridge.decode(code, target).to("cpu")
                show(start + len(part))
                return made

            return Signal.cat(self._over(signal, translated))

    def sample(
        self, n: int, domains: Sequence[str] | None = None, *, seed: int = 0
    ) -> dict[str, list[Any]]:
        """Joint samples, n of each domain: item i of every domain belongs together.

        Raises:
            UnsupportedError: the bridge has no prior.
            SettingError: n is below 1.
        """
        check_number("sample", "n", n, 1, integer=True)
        self._require_trained()
        names = list(domains or self.domains)
        for name in names:
            self._modality(name)
        with seeded(seed), torch.no_grad():
            parts = [
                {name: x.to("cpu") for name, x in self.bridge.sample(count, names).items()}
                for count in (min(BATCH, n - start) for start in range(0, n, BATCH))
            ]
        made = {name: Signal.cat([part[name] for part in parts]) for name in names}
        return {name: self.domains[name].split(made[name]) for name in names}

    def embed(self, items: Sequence[Any], domain: str) -> Tensor:
        """``[b d]`` vectors of the common space, comparable across domains."""
        modality = self._modality(domain)
        signal = modality.collate([modality.load(item) for item in items])
        return torch.cat(
            self._over(signal, lambda part, start: self.bridge.embed(part, domain).cpu())
        )

    def classify(self, items: Sequence[Any], domain: str) -> list[str]:
        """The class of each item, by the bridge's own classifier (domain adaptation).

        Raises:
            UnsupportedError: the bridge has no classifier.
        """
        modality = self._modality(domain)
        signal = modality.collate([modality.load(item) for item in items])
        best = self._over(signal, lambda part, start: self.bridge.classify(part, domain).argmax(1))
        return [self.classes[k] for k in torch.cat(best).tolist()]

    def interpolate(
        self, first: Any, last: Any, source: str, target: str, steps: int = 8
    ) -> list[Any]:
        """Items of the target on the way from one item of the source to another.

        ``walk`` says which way that is.
        """
        return self.walk(steps, [target], ends=(first, last), source=source)[target]

    def walk(
        self,
        steps: int = 8,
        domains: Sequence[str] | None = None,
        *,
        ends: tuple[Any, Any] | None = None,
        source: str | None = None,
        seed: int = 0,
    ) -> dict[str, list[Any]]:
        """What the domains make of a way through the common space: item k of each belongs together.

        The way is ``sqrt(1 - p) a + sqrt(p) b``, p from 0 to 1, which keeps the variance of two
        independent normal vectors (Latent Domain Transfer sec. 4.3).

        Args:
            steps: items in each domain, both ends among them, 2 or more.
            domains: their names; all when not given.
            ends: two items of ``source`` to go between; two draws of the prior when not given.
            source: the domain of ``ends``.
            seed: of the draws.

        Raises:
            UnsupportedError: no ends are given, and the bridge has no prior.
            SettingError: fewer than 2 steps; ends without their source, or a source without ends.
            UnknownNameError: no such domain.
            DataError: an end cannot be used.
        """
        check_number("walk", "steps", steps, 2, integer=True)
        if (ends is None) != (source is None):
            raise SettingError(
                f"walk: ends and source go together, not ends={ends!r} with source={source!r}"
            )
        self._require_trained()
        names = list(domains or self.domains)
        for name in names:
            self._modality(name)
        with seeded(seed), torch.no_grad():
            if ends is not None and source is not None:
                modality = self._modality(source)
                signal = modality.collate([modality.load(end) for end in ends])
                code = self.bridge.encode(signal.to(self._device()), source)
            else:
                code = self.bridge.prior(2)
            way = _between(code, steps)
            made = {name: self.bridge.decode(way, name).to("cpu") for name in names}
        return {name: self.domains[name].split(made[name]) for name in names}

    def _over(self, signal: Signal, function: Callable[[Signal, int], T]) -> list[T]:
        """What the function makes of each slice of a signal, on the device, and its start."""
        self._require_trained()
        require_finite(signal)
        device = self._device()
        made: list[T] = []
        with torch.no_grad():
            for start in range(0, len(signal), BATCH):
                try:
                    made.append(function(signal[start : start + BATCH].to(device), start))
                except ReachError as error:
                    raise error.after(start) from None
        return made

    def _device(self) -> torch.device:
        return next(self.bridge.parameters()).device

    def _modality(self, domain: str) -> Modality:
        if domain not in self.domains:
            raise UnknownNameError(
                f"no domain {domain!r} here; this translator joins {', '.join(self.domains)}"
            )
        return self.domains[domain]

    def _require_trained(self) -> None:
        if not self.connected:
            raise SettingError("this translator has no weights yet; call fit, or Translator.load")


def _between(code: Code, steps: int) -> Code:
    """Codes on the way from the first to the second of two; where either has a token, they do."""
    a, b = code.tokens
    p = torch.linspace(0, 1, steps, device=a.device)[:, None, None]
    mask = None if code.mask is None else code.mask.any(0).expand(steps, -1)
    return replace(code, tokens=(1 - p).sqrt() * a + p.sqrt() * b, mask=mask)
