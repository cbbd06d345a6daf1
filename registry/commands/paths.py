"""Which files a command reads and writes, and which domains they are of."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import DataError, MediaError, SettingError, UnknownNameError

if TYPE_CHECKING:
    from ...core.modality import Modality

Domains = Mapping[str, "Modality"]
SLICE = 256  # files read at a time


def choose(
    domains: Domains,
    role: str,
    asked: str | None,
    suffix: str,
    other: str | None = None,
    able: Collection[str] = (),
) -> str:
    """The domain asked for, or the only one a file of this suffix can be of.

    Args:
        domains: name -> Modality.
        role: ``"source"`` or ``"target"``.
        asked: the domain the user named, if any.
        suffix: of the file; empty for a folder.
        other: the domain on the other side, left out while another one fits.
        able: the domains the bridge has this role for, chosen from while one of them fits.

    Raises:
        UnknownNameError: the domain asked for is not there.
        SettingError: none or several fit.
    """
    if asked is not None:
        if asked not in domains:
            raise UnknownNameError(f"no domain {asked!r}; the domains are {', '.join(domains)}")
        return asked
    fit = [name for name, m in domains.items() if not suffix or suffix.lower() in m.suffixes]
    if len(fit) > 1:
        fit = [name for name in fit if name != other]
    if len(fit) > 1:
        fit = [name for name in fit if name in able] or fit
    if len(fit) != 1:
        reads = "; ".join(f"{name}: {' '.join(m.suffixes)}" for name, m in domains.items())
        found = f"several domains ({', '.join(fit)})" if fit else "no domain"
        raise SettingError(
            f"{found} may be the {role} for {repr(suffix) if suffix else 'a folder'}; "
            f"say --{role} NAME ({reads})"
        )
    return fit[0]


def expand(inputs: Sequence[Path], suffixes: Sequence[str]) -> list[Path]:
    """The files among the inputs, and those of these suffixes in the folders among them.

    Raises:
        DataError: an input is missing, or a folder holds no such file.
    """
    files: list[Path] = []
    for path in inputs:
        if path.is_dir():
            inside = [f for f in sorted(path.iterdir()) if f.suffix.lower() in suffixes]
            inside = [f for f in inside if f.is_file()]
            if not inside:
                raise DataError(f"{path} holds no file that ends in {' or '.join(suffixes)}")
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise DataError(f"no such file or folder: {path}")
    return files


def outputs(files: Sequence[Path], output: Path, suffix: str, kept: Sequence[Path]) -> list[Path]:
    """Where the translation of each file goes: the output file itself, or into that folder.

    Args:
        files: to be translated.
        output: the file or folder asked for.
        suffix: of the results in a folder.
        kept: files that no result may take the place of.

    Raises:
        SettingError: several files into one, two results of one name, or one in an input's place.
    """
    made = [output / f"{file.stem}{suffix}" for file in files]
    if output.suffix and not output.is_dir():
        if len(files) > 1:
            raise SettingError(
                f"{len(files)} inputs do not fit into one file {output}; give a folder, "
                "which has to exist where its name has a dot"
            )
        made = [output]
    if len(set(made)) < len(made):
        raise SettingError(f"two inputs have the same name, and would be one file in {output}")
    keep(kept, made)
    return made


def keep(inputs: Sequence[Path], places: Sequence[Path]) -> None:
    """Refuse to write where an input is.

    Raises:
        SettingError: a place is that of an input.
    """
    given = {file.resolve() for file in inputs}
    for place in places:
        if place.resolve() in given:
            raise SettingError(f"{place} is an input, and would be lost; give another output")


def write(modality: Modality, items: Sequence[Any], paths: Sequence[Path]) -> None:
    """Write each item to its path, making the folders.

    Raises:
        MediaError: a file or folder cannot be written.
    """
    for item, path in zip(items, paths, strict=True):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MediaError(f"the folder {path.parent} cannot be made: {error}") from error
        modality.write(item, path)
