"""The layout's rules: packages, floors, imports, dependencies, and one name per file."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import transmodal

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FLOORS = ("core", "registry", "plugins", "cookbook")
LONGEST = 300  # lines of a file, as CONTRIBUTING says
DISTRIBUTIONS = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "espeakng_loader": "espeakng-loader",
    "faiss": "faiss-cpu",
    "faster_whisper": "faster-whisper",
}


def sources(*floors: str) -> Iterator[Path]:
    for floor in floors:
        yield from sorted((ROOT / floor).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Absolute names of what a file imports, relative ones resolved."""
    parts = ("transmodal", *path.relative_to(ROOT).with_suffix("").parts)
    package = parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def normal(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def test_every_folder_of_python_is_a_listed_package() -> None:
    folders = {path.parent for path in sources(*FLOORS)}
    found = {".".join(("transmodal", *folder.relative_to(ROOT).parts)) for folder in folders}
    assert found | {"transmodal"} == set(PROJECT["tool"]["setuptools"]["packages"])
    inside = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    outside = {name for name in inside if name.startswith(".") or name == "build"}
    assert inside - outside == {*FLOORS, "tests"}


def test_every_package_has_an_init() -> None:
    assert [
        f for f in {p.parent for p in sources(*FLOORS)} if not (f / "__init__.py").exists()
    ] == []


def test_no_file_is_too_long() -> None:
    assert f"never past {LONGEST}" in (ROOT / "CONTRIBUTING.md").read_text()
    lengths = {path: len(path.read_text().splitlines()) for path in sources(*FLOORS)}
    long = {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > LONGEST}
    assert long == {}, "part them where one idea ends and another begins"


def test_the_root_imports_nothing_eagerly() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text())
    eager = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    assert [node.module for node in eager] == ["__future__"]  # type: ignore[union-attr]


def test_importing_costs_no_torch_and_every_name_loads() -> None:
    code = (
        "import sys, transmodal\n"
        "heavy = {'torch', 'numpy', 'librosa', 'matplotlib', 'PIL', 'pluggy', 'click'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "import transmodal.core, transmodal.registry\n"
        "assert not {'torch', 'numpy', 'librosa'} & set(sys.modules)\n"
        "for home in (transmodal, transmodal.core):\n"
        "    for name in dir(home): assert getattr(home, name) is not None, name\n"
        "late = {'librosa', 'matplotlib', 'sklearn', 'scipy', 'soundfile', 'PIL'}\n"
        "assert not late & set(sys.modules), late & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr


def test_unknown_names_of_the_faces_are_attribute_errors() -> None:
    import transmodal.core

    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        transmodal.Nothing  # noqa: B018
    with pytest.raises(AttributeError, match=r"'transmodal\.core' has no attribute 'Nothing'"):
        transmodal.core.Nothing  # noqa: B018
    assert transmodal.__version__ == PROJECT["project"]["version"]


def test_no_file_is_loaded_under_two_names() -> None:
    import transmodal.core.translator
    import transmodal.registry.contract

    package = Path(transmodal.__file__ or "").resolve().parent
    names = defaultdict(set)
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and name != "__main__":
            path = Path(file).resolve()
            checkout = path.is_relative_to(ROOT) and "site-packages" not in path.parts
            if checkout or path.is_relative_to(package):
                names[path].add(name)
    names.pop(ROOT / "__init__.py", None)  # pytest loads it by the folder's name; it holds nothing
    assert {path: found for path, found in names.items() if len(found) > 1} == {}
    loaded = {path for path in names if path.is_relative_to(package / "core")}
    assert package / "core" / "translator.py" in loaded


def test_the_package_is_typed() -> None:
    assert (Path(transmodal.__file__ or "").parent / "py.typed").exists()


@pytest.mark.parametrize(
    ("floor", "forbidden"),
    [
        ("core", ("registry", "plugins", "cookbook", "tests")),
        ("registry", ("plugins", "cookbook", "tests")),
        ("plugins", ("cookbook", "tests")),
    ],
)
def test_a_floor_imports_none_above_it(floor: str, forbidden: tuple[str, ...]) -> None:
    above = tuple(f"transmodal.{name}." for name in forbidden)
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources(floor)
        for name in imports(path)
        if f"{name}.".startswith(above)
    ]
    assert wrong == []


def test_plugins_never_import_each_other() -> None:
    wrong = []
    for path in sources("plugins"):
        own = path.relative_to(ROOT / "plugins").with_suffix("").parts[0]
        for name in imports(path):
            parts = name.split(".")
            if parts[:2] == ["transmodal", "plugins"] and parts[2:3] != [own]:
                wrong.append(f"{path.relative_to(ROOT)}: {name}")
    assert wrong == []


def test_the_house_imports_relatively_and_its_users_absolutely() -> None:
    wrong = []
    for path in [*sources(*FLOORS), *(ROOT / "tests").rglob("*.py")]:
        within = path.relative_to(ROOT).parts[0] in ("core", "registry", "plugins")
        for node in ast.walk(ast.parse(path.read_text())):
            absolute = (
                isinstance(node, ast.ImportFrom)
                and not node.level
                and (node.module or "").startswith("transmodal")
            )
            relative = isinstance(node, ast.ImportFrom) and node.level > 0
            if absolute if within else relative:
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert wrong == []


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    project = PROJECT["project"]
    core = {normal(r) for r in project["dependencies"]}
    extras = project["optional-dependencies"]
    demo, search, judges = (
        {normal(r) for r in extras[name]} for name in ("demo", "search", "judges")
    )
    used: dict[str, set[str]] = {"house": set(), "cookbook": set()}
    for path in sources(*FLOORS):
        where = "cookbook" if path.relative_to(ROOT).parts[0] == "cookbook" else "house"
        for name in imports(path):
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top != "transmodal":
                used[where].add(normal(DISTRIBUTIONS.get(top, top)))
    assert used["house"] <= core | search
    assert used["cookbook"] <= core | demo | search | judges
    assert core <= used["house"] | used["cookbook"]


def test_every_dependency_has_a_tested_version() -> None:
    project = PROJECT["project"]
    wanted = {normal(r) for r in project["dependencies"]}
    wanted |= {normal(r) for group in project["optional-dependencies"].values() for r in group}
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert wanted <= {normal(name) for name in pinned}
    assert pinned["torch"] == "2.13.0"


def test_torch_has_a_floor_and_no_ceiling() -> None:
    assert "torch>=2.6" in PROJECT["project"]["dependencies"]
