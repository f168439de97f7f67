"""Laws of the house: who may import whom, how long things may be, and what is never done. Read with `ast`; nothing is run.

A file's and a function's length counts all lines; the core's, those that are not blank; a recipe's, its code without its docstring.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "src" / "vaekit"
FILES = sorted(ROOT.rglob("*.py"))

# A room and what it may import of the house; `core.errors` alone stands for one file. The longest name that fits a module is its room.
PARTS = {"parts.networks", "parts.distributions", "parts.posteriors", "parts.priors", "parts.likelihoods", "parts.objectives"}
MAY_IMPORT = {
    "core": set(),
    "parts": PARTS,
    # An own network that does not fit is a person's error, and is noticed here.
    "parts.networks": {"core.errors"},
    "parts.distributions": {"core"},
    "parts.posteriors": {"core", "parts.distributions", "parts.networks"},
    # A learned prior is a network and one of the posteriors' families.
    "parts.priors": {"core", "parts.distributions", "parts.networks", "parts.posteriors"},
    "parts.likelihoods": {"core", "parts.distributions", "parts.networks"},
    "parts.objectives": {"core", "parts.distributions", "parts.networks"},
    "models": {"core"},
    "data": {"core"},
    "training": {"core"},
    "tasks": {"core"},
    "evaluation": {"core", "tasks"},
    "modalities": {"core", *PARTS},
    "recipes": {"core", "models", *PARTS},
    "operations": {"core", "data", "training", "tasks", "evaluation"},
    "faces": {"core", "modalities", "recipes", "data", "training", "tasks", "evaluation", "operations"},
}
# Faces that are files at the root, because a person imports them by these names.
ROOT_FACES = {"vaekit", "vaekit.estimators"}
EVERYWHERE = {"torch", "numpy", "pandas", "pyarrow"}
# Required, so never absent; each of these files is about another of its sides, and no other file may import it.
IN_SEVERAL_FILES = {
    "rich": {"vaekit.data.download", "vaekit.faces.progress"},  # how long is left: of a download, of a run
    # Its digits, its measures, its probes of an attribute, its interface, its classifier, its seeds of k-means.
    "sklearn": {
        "vaekit.data.catalogue", "vaekit.evaluation.classical", "vaekit.tasks.edit", "vaekit.faces.estimators", "vaekit.faces.extractors",
        "vaekit.parts.posteriors.quantised",
    },
    "threadpoolctl": {"vaekit.evaluation.classical", "vaekit.tasks.edit"},  # scikit-learn on one thread, wherever it is used
}
DRAWERS = {"utils", "util", "helpers", "helper", "base", "common", "misc", "manager", "shared", "tools"}
FORBIDDEN_CALLS = {"hasattr", "eval", "exec", "torch.load", "joblib.load", "np.lib.format.read_array"}
FORBIDDEN_IMPORTS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


MODULES = {module_name(path): path for path in FILES}


def room_of(module: str) -> str:
    if module in ROOT_FACES:
        return "faces"
    inside = module.removeprefix("vaekit.")
    rooms = [room for room in MAY_IMPORT if inside == room or inside.startswith(f"{room}.")]
    assert rooms, f"{module} stands in no room of the table"
    return max(rooms, key=len)


def where(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT.parent)}:{node.lineno}"  # type: ignore[attr-defined]


def type_checking_only(body: ast.Module) -> set[ast.AST]:
    """Imports that only a type checker runs."""
    guarded = [n for n in ast.walk(body) if isinstance(n, ast.If) and isinstance(n.test, ast.Name) and n.test.id == "TYPE_CHECKING"]
    return {inner for guard in guarded for inner in ast.walk(guard)}


def imports(path: Path, lazily: bool = True) -> Iterator[tuple[ast.AST, str]]:
    """Every module that a file imports by absolute name; a name that is itself a module is resolved to it.

    Arguments:
        lazily: those inside functions too, and those for a type checker alone.
    """
    body = tree(path)
    inside = {n for f in ast.walk(body) if isinstance(f, (ast.FunctionDef, ast.AsyncFunctionDef)) for n in ast.walk(f)}
    skipped = set() if lazily else inside | type_checking_only(body)
    for node in ast.walk(body):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{where(path, node)}: a relative import hides which room it crosses into"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield node, full if full in MODULES else str(node.module)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    yield from (n for n in ast.walk(tree(path)) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)))


def docstring_lines(body: ast.Module) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(body):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
                lines |= set(range(first.lineno, first.end_lineno + 1))  # type: ignore[operator]
    return lines


def code_lines(path: Path, imported: bool = True) -> list[tuple[int, str]]:
    """Lines of code with their numbers: no blank lines, comments or docstrings.

    Arguments:
        imported: import statements too.
    """
    body = tree(path)
    left_out = docstring_lines(body)
    if not imported:
        for node in ast.walk(body):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                left_out |= set(range(node.lineno, node.end_lineno + 1))  # type: ignore[operator]
    numbered = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    return [(i, line.strip()) for i, line in numbered if line.strip() and not line.strip().startswith("#") and i not in left_out]


def name_of(call: ast.Call) -> str:
    return ast.unparse(call.func)


def public_names(body: ast.Module) -> set[str] | None:
    """What `__all__` lists; None where there is none."""
    for node in body.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets):
            return {c.value for c in ast.walk(node) if isinstance(c, ast.Constant)}
    return None


def is_setter(function: ast.FunctionDef) -> bool:
    return any(isinstance(d, ast.Attribute) and d.attr == "setter" for d in function.decorator_list)


def test_rooms_import_along_the_table() -> None:
    wrong = []
    for module, path in MODULES.items():
        room = room_of(module)
        for node, target in imports(path):
            if not target.startswith("vaekit."):
                continue
            inside, allowed = target.removeprefix("vaekit."), MAY_IMPORT[room] | {room}
            if not any(inside == a or inside.startswith(f"{a}.") for a in allowed):
                wrong.append(f"{where(path, node)}: {room} imports {target}")
            elif "parts." in inside and room_of(target) not in allowed:
                wrong.append(f"{where(path, node)}: {room} imports {target}")
    assert not wrong, "\n".join(wrong)


def test_core_imports_torch_and_numpy_alone() -> None:
    allowed = {"torch", "numpy", "vaekit", *sys.stdlib_module_names}
    wrong = [
        f"{where(path, node)}: {target}" for module, path in MODULES.items() if room_of(module) == "core"
        for node, target in imports(path) if target.split(".")[0] not in allowed
    ]
    assert not wrong, "\n".join(wrong)


def test_a_heavy_library_is_imported_in_one_file() -> None:
    users: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        guarded = type_checking_only(tree(path))
        for node, target in imports(path):
            library = target.split(".")[0]
            if node not in guarded and library not in {"vaekit", *EVERYWHERE, *sys.stdlib_module_names}:
                users.setdefault(library, set()).add(module)
    wrong = {n: sorted(modules) for n, modules in users.items() if len(modules) > 1 and not modules <= IN_SEVERAL_FILES.get(n, set())}
    assert not wrong, "\n".join(f"{library}: {', '.join(modules)}" for library, modules in wrong.items())


def in_circles() -> list[str]:
    """Modules in or behind a circle of imports."""
    left = {m: {t for _, t in imports(path, lazily=False) if t in MODULES and t != m} for m, path in MODULES.items()}
    # What imports nothing unfinished is peeled off until only circles are left.
    while free := [m for m, targets in left.items() if not targets & left.keys()]:
        for module in free:
            del left[module]
    return sorted(left)


def test_no_circles() -> None:
    assert not in_circles()


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_file(path: Path) -> None:
    """Its length, its functions' lengths, its theory, its face, its name, and what it never does."""
    body, lines = tree(path), path.read_text(encoding="utf-8").splitlines()
    here = path.relative_to(ROOT.parent)
    assert len(lines) <= 400, f"{here} has {len(lines)} lines"
    too_long = [f"{f.name} ({f.end_lineno - f.lineno + 1})" for f in functions(path) if f.end_lineno - f.lineno >= 60]  # type: ignore[operator]
    assert not too_long, f"{here}: more than 60 lines: {', '.join(too_long)}"
    assert ast.get_docstring(body), f"{here} does not open with its theory"
    assert not DRAWERS & set(here.with_suffix("").parts), f"{here} is a drawer: name it after what is in it"
    classes = [n.name for n in ast.walk(body) if isinstance(n, ast.ClassDef)]
    assert not [c for c in classes if c.startswith("Base") or c.endswith(("Manager", "Helper", "Mixin"))], f"{here}: {classes}"
    names_nothing = path.name == "__init__.py" and len(body.body) == 1
    assert names_nothing or public_names(body) is not None, f"{here} has no __all__"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_what_is_never_done(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            assert name_of(node) not in FORBIDDEN_CALLS, f"{where(path, node)}: {name_of(node)}"
            loads = name_of(node) in ("np.load", "numpy.load")
            safe = [k for k in node.keywords if k.arg == "allow_pickle" and isinstance(k.value, ast.Constant) and k.value.value is False]
            assert not loads or safe, f"{where(path, node)}: np.load without allow_pickle=False"
            assert safe or not [k for k in node.keywords if k.arg == "allow_pickle"], f"{where(path, node)}: allow_pickle"
        if isinstance(node, ast.ExceptHandler):
            silent = all(isinstance(statement, ast.Pass) for statement in node.body)
            assert not silent, f"{where(path, node)}: an error is swallowed"
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            on_self = any(isinstance(t, ast.Attribute) and isinstance(t.value, ast.Name) and t.value.id == "self" for t in targets)
            stored = on_self and any(isinstance(n, ast.Lambda) for n in ast.walk(node.value))
            assert not stored, f"{where(path, node)}: a lambda on an object follows the original, not the copy"
    imported = {target.split(".")[0] for _, target in imports(path)}
    assert not imported & FORBIDDEN_IMPORTS, f"{path}: {imported & FORBIDDEN_IMPORTS}"
    unfinished = [i for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if "TODO" in line or "FIXME" in line]
    assert not unfinished, f"{path}: unfinished at lines {unfinished}"


def test_public_names_are_documented() -> None:
    wrong = []
    for module, path in MODULES.items():
        public = public_names(tree(path)) or set()
        for node in tree(path).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name in public:
                inner = node.body if isinstance(node, ast.ClassDef) else []
                methods = [f for f in inner if isinstance(f, ast.FunctionDef) and not f.name.startswith("_") and not is_setter(f)]
                wrong += [f"{module}.{node.name}: {d.name}" for d in (node, *methods) if not ast.get_docstring(d)]
    assert not wrong, "without a docstring: " + ", ".join(wrong)


def test_tests_import_public_names_alone() -> None:
    wrong = []
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("vaekit"):
                names = [*str(node.module).split("."), *(alias.name for alias in node.names)]
                wrong += [f"{path.name}:{node.lineno}: {name}" for name in names if name.startswith("_") and not name.startswith("__")]
    assert not wrong, "\n".join(wrong)


def test_recipes_are_short_and_have_no_branches() -> None:
    for module, path in MODULES.items():
        if room_of(module) != "recipes" or path.stem in ("book", "__init__"):
            continue
        numbers, recipes = {i for i, _ in code_lines(path)}, public_names(tree(path)) or set()
        for function in functions(path):
            if function.name in recipes:
                length = sum(function.lineno <= i <= function.end_lineno for i in numbers)  # type: ignore[operator]
                assert length <= 40, f"{module}.{function.name} has {length} lines"
                assert not any(isinstance(n, (ast.If, ast.IfExp)) for n in ast.walk(function)), f"{module}.{function.name} branches"


def test_the_core_is_small() -> None:
    texts = [path.read_text(encoding="utf-8") for module, path in MODULES.items() if room_of(module) == "core"]
    assert sum(bool(line.strip()) for text in texts for line in text.splitlines()) <= 1_500


def test_the_root_face_is_small() -> None:
    import vaekit

    assert len(getattr(vaekit, "__all__", [])) <= 40


def written_twice() -> tuple[list[str], int]:
    """Lines of code that stand again in another file, in runs of six or more, and how many there are in all; imports are not counted."""
    texts = {module: code_lines(path, imported=False) for module, path in MODULES.items()}
    runs: dict[tuple[str, ...], set[tuple[str, int]]] = {}
    for module, lines in texts.items():
        for start in range(len(lines) - 5):
            runs.setdefault(tuple(text for _, text in lines[start : start + 6]), set()).add((module, start))
    shared: set[tuple[str, int]] = set()
    for places in runs.values():
        if len({module for module, _ in places}) > 1:
            shared |= {(module, start + i) for module, start in places for i in range(6)}
    return sorted(f"{module}:{texts[module][i][0]}" for module, i in shared), sum(map(len, texts.values()))


def test_nothing_is_written_twice() -> None:
    shared, total = written_twice()
    assert len(shared) <= 0.05 * total, f"{len(shared)} of {total} lines: {shared}"
