"""Joined: domains and a connected bridge, put to use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from .arrays import listed
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
        style: Code | None = None,
        among: Sequence[Any] | None = None,
        progress: bool = True,
    ) -> list[Any]:
        """Items of one domain into items of another.

        Args:
            items: of the source's modality (or paths of files that hold them).
            source, target: names of domains.
            style: that the target is made in, one for all items or one for each, of ``style``,
                ``style_sample`` or ``style_mix``; the bridge's mean one when not given.
            among: items of the target (or paths) to choose from: nothing is made then, each
                answer is the one of largest cosine in the common space. For bridges that are
                there to retrieve; ``Index`` is for many.
            progress: show a progress bar where standard error is a terminal.

        Raises:
            UnknownNameError: no such domain.
            DataError: an item cannot be used; there is none to choose from; neither one style nor
                one for each item.
            SettingError: both ``style`` and ``among``.
            ReachError: the bridge searches, and finds nothing like an item; names the positions.
            UnsupportedError: the bridge makes nothing in the target, give ``among``; or makes it in
                no style, leave ``style`` out.
        """
        if among is not None:
            if style is not None:
                raise SettingError("translate: what is chosen has its style; give among or style")
            return self._nearest(items, source, target, among)
        signal = self._signal(items, source)
        made = self.translate_signal(signal, source, target, style=style, progress=progress)
        return self._modality(target).split(made)

    def _nearest(
        self, items: Sequence[Any], source: str, target: str, among: Sequence[Any]
    ) -> list[Any]:
        if not len(listed(among, f"items of {target!r}")):
            raise DataError(f"no items of {target!r} to choose from; give at least one")
        near, far = (F.normalize(self.embed(x, d), dim=1)
                     for x, d in ((items, source), (among, target)))  # fmt: skip
        best = torch.cat([(part @ far.T).argmax(1) for part in near.split(BATCH)])
        return [self._modality(target).load(among[i]) for i in best.tolist()]

    def translate_signal(
        self,
        signal: Signal,
        source: str,
        target: str,
        *,
        style: Code | None = None,
        progress: bool = False,
    ) -> Signal:
        """``translate`` from signal to signal, without files or items.

        Where a generator attends to its source, the signal is ``Taught`` and tells how.
        """
        self._modality(source), self._modality(target)
        if style is not None:
            self._require_trained()
            self.bridge.check_style(style, target, len(signal))
        with bar(f"{source} -> {target}", len(signal), progress) as show:

            def translated(part: Signal, start: int) -> Signal:
                def tick(done: int, steps: int) -> None:
                    show(start + len(part) * done / steps)

                code = self.bridge.encode_telling(part, source, tick)
                own = None if style is None else _of(style, start, self._device())
                made = self.bridge.decode(code, target, own).to("cpu")
                show(start + len(part))
                return made

            return Signal.cat(self._over(signal, translated))

    def style(self, references: Sequence[Any], domain: str) -> Code:
        """The style of each reference, an item of the domain (or a path), to ``translate`` in.

        Raises:
            UnsupportedError: the bridge has no styles, or makes the domain in none.
            DataError: a reference cannot be used.
        """
        signal = self._signal(references, domain)
        parts = self._over(signal, lambda part, start: self.bridge.style(part, domain).tokens.cpu())
        return Code(torch.cat(parts))

    def style_sample(self, n: int = 1, *, seed: int = 0) -> Code:
        """n styles drawn from the prior over styles, to ``translate`` in.

        Raises:
            UnsupportedError: the bridge has no styles to draw.
            SettingError: n is below 1.
        """
        self._require_trained()
        with seeded(seed), torch.no_grad():
            return self.bridge.style_sample(n)

    def style_mix(self, weights: Tensor | Sequence[Sequence[float]]) -> Code:
        """Styles of weights ``[b k]`` over a bridge's k universal tokens, to ``translate`` in.

        Raises:
            UnsupportedError: the bridge has no styles to mix.
            DataError: not one finite weight for each.
        """
        self._require_trained()
        with torch.no_grad():
            return self.bridge.style_mix(weights)

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
        names = self._names(domains)
        with seeded(seed), torch.no_grad():
            parts = [
                {name: x.to("cpu") for name, x in self.bridge.sample(count, names).items()}
                for count in (min(BATCH, n - start) for start in range(0, n, BATCH))
            ]
        made = {name: Signal.cat([part[name] for part in parts]) for name in names}
        return {name: self.domains[name].split(made[name]) for name in names}

    def embed(self, items: Sequence[Any], domain: str) -> Tensor:
        """``[b d]`` vectors of the common space, comparable across domains."""
        signal = self._signal(items, domain)
        parts = self._over(signal, lambda part, start: self.bridge.embed(part, domain).cpu())
        return torch.cat(parts)

    def classify(self, items: Sequence[Any], domain: str) -> list[str]:
        """The class of each item, by the bridge's own classifier (domain adaptation).

        Raises:
            UnsupportedError: the bridge has no classifier.
        """
        signal = self._signal(items, domain)
        best = self._over(signal, lambda part, start: self.bridge.classify(part, domain).argmax(1))
        return [self.classes[k] for k in torch.cat(best).tolist()]

    def interpolate(
        self, first: Any, last: Any, source: str, target: str, steps: int = 8
    ) -> list[Any]:
        """Items of the target on ``walk``'s way from one item of the source to another."""
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
        names = self._names(domains)
        with seeded(seed), torch.no_grad():
            if ends is not None and source is not None:
                signal = self._signal(ends, source).to(self._device())
                if len(signal) != 2:
                    raise DataError(f"walk: ends are two items, (first, last), not {len(signal)}")
                code = self.bridge.encode(signal, source)
            else:
                code = self.bridge.prior(2)
            way = _between(code, steps)
            made = {name: self.bridge.decode(way, name).to("cpu") for name in names}
        return {name: self.domains[name].split(made[name]) for name in names}

    def _signal(self, items: Sequence[Any], domain: str) -> Signal:
        """Items of a domain, or the paths of their files, as one batch."""
        modality = self._modality(domain)
        return modality.collate(
            [modality.load(item) for item in listed(items, f"items of {domain!r}")]
        )

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

    def _names(self, domains: Sequence[str] | None) -> list[str]:
        """The domains asked for, checked; all where none are."""
        names = list(listed(domains, "domains") if domains else self.domains)
        for name in names:
            self._modality(name)
        return names

    def _require_trained(self) -> None:
        if not self.connected:
            raise SettingError("this translator has no weights yet; call fit, or Translator.load")


def _between(code: Code, steps: int) -> Code:
    """Codes on the way from the first to the second of two; where either has a token, they do."""
    a, b = code.tokens
    p = torch.linspace(0, 1, steps, device=a.device, dtype=a.dtype)[:, None, None]
    mask = None if code.mask is None else code.mask.any(0).expand(steps, -1)
    return replace(code, tokens=(1 - p).sqrt() * a + p.sqrt() * b, mask=mask)


def _of(style: Code, start: int, device: torch.device) -> Code:
    """The styles of the batch that starts there; one that serves all, for any."""
    some = slice(start, start + BATCH) if len(style) > 1 else slice(None)
    mask = None if style.mask is None else style.mask[some].to(device)
    return replace(style, tokens=style.tokens[some].to(device), mask=mask)
